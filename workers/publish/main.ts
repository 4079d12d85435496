import { hostname } from 'node:os';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, openPgPool, waitForDatabase } from '../../db/runtime/database.ts';
import { runProcess, startHeartbeat } from '../../db/runtime/process.ts';
import { pollForWork, runJobs } from '../jobs.ts';
import { openQueue } from '../queue.ts';
import { watchCalls } from '../watch.ts';
import { createOutbox } from './outbox.ts';
import { maintain } from './tasks/maintain.ts';
import { publishDeltas } from './tasks/publish_deltas.ts';

await runProcess('publish', async context => {
  const { config, logger, onStop, signal } = context;
  const connection = { url: requireDatabaseUrl(config), process: 'publish', logger };
  const role = 'foresight_publish';

  const sql = openDatabase({ ...connection, role });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { ...connection, signal });
  if (signal.aborted) return;
  const owner = openDatabase({ ...connection, maxConnections: 3, statementTimeout: 0 });
  onStop(() => owner.end({ timeout: 2 }));
  const queue = openQueue({ region: config.awsRegion, endpoint: config.sqsEndpoint });
  onStop(() => queue.close());
  const pool = openPgPool({ ...connection, role });
  onStop(() => pool.end());

  const outbox = watchCalls(createOutbox(sql, owner), {
    deadlineMs: 32_000,
    except: ['refreshLate', 'advanceCandles', 'applyStorage', 'reconcileYesterday'],
    onHang: context.fail,
  });
  const jobs = await runJobs({
    pool,
    tasks: {
      publish_deltas: publishDeltas({ outbox, queue, logger, signal }),
      maintain: maintain({ outbox, queue, sql, logger, signal }),
    },
    crontab: '* * * * * maintain ?max=1',
    concurrency: 2,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());
  onStop(
    pollForWork({ hasWork: outbox.hasWork, nudge: outbox.nudge, jobs, fail: context.fail, logger }),
  );

  onStop(() => sql`select ops.say_goodbye('publish', ${hostname()}, ${process.pid})`);
  startHeartbeat(
    context,
    (host, processId) =>
      sql`select ops.beat('publish', ${host}, ${processId}, ${jobs.workerIds()}::text[])`,
  );
});
