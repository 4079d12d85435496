import { hostname } from 'node:os';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, openPgPool, waitForDatabase } from '../../db/runtime/database.ts';
import { runProcess } from '../../db/runtime/process.ts';
import { createAlarm, runJobs, startWorkHeartbeat } from '../jobs.ts';
import { openQueue } from '../queue.ts';
import { watchCalls } from '../watch.ts';
import { catalog } from './catalog.ts';
import { consume } from './consumer.ts';
import { createIndicatorStore } from './indicator.ts';
import { computeValuesTask } from './tasks/compute_values.ts';

/** A window of candles is read in milliseconds. */
const statementTimeout = 20_000;
/** The queue of the subscription `indicators`, which indicator.add() extends. */
const queueName = 'foresight-indicators';

command('start:indicators', 'Compute the values of indicators.').parse();

await runProcess('indicators', async context => {
  const { config, logger, onStop, signal } = context;
  const connection = {
    url: requireDatabaseUrl(config),
    process: 'indicators',
    role: 'foresight_indicators',
    statementTimeout,
    logger,
  };
  const sql = openDatabase(connection);
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { ...connection, signal });
  if (signal.aborted) return;
  const pool = openPgPool(connection);
  onStop(() => pool.end());
  const queue = openQueue({ region: config.awsRegion, endpoint: config.sqsEndpoint });
  onStop(() => queue.close());

  const store = watchCalls(createIndicatorStore(sql), {
    deadlineMs: statementTimeout + 2_000,
    onHang: context.fail,
  });
  for (const kind of catalog) await store.registerKind(kind);
  const kinds = new Map(catalog.map(kind => [kind.kind, kind]));

  const jobs = await runJobs({
    pool,
    tasks: { compute_values: computeValuesTask({ store, kinds, signal }) },
    concurrency: 2,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());
  const alarm = createAlarm({ nudge: store.nudge, logger });
  onStop(() => alarm.stop());

  onStop(
    consume({
      queue,
      queueName,
      logger,
      signal,
      handle: async message => {
        const accepted = await store.acceptCandles(message.candles);
        if (accepted > 0) await store.nudge();
      },
    }),
  );

  onStop(() => sql`select ops.say_goodbye('indicators', ${hostname()}, ${process.pid})`);
  startWorkHeartbeat(context, {
    jobs,
    beat: (host, processId) => alarm.hear(store.beat(host, processId, jobs.workerIds())),
  });
});
