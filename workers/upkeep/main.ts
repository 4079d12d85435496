import { hostname } from 'node:os';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl, requireOwnerUrl } from '../../db/runtime/config.ts';
import {
  checkOwner,
  openDatabase,
  openPgPool,
  waitForDatabase,
} from '../../db/runtime/database.ts';
import { runProcess } from '../../db/runtime/process.ts';
import { createAlarm, runJobs, startWorkHeartbeat } from '../jobs.ts';
import { watchCalls } from '../watch.ts';
import { maintain } from './tasks/maintain.ts';
import { storeCandles } from './tasks/store_candles.ts';
import { createUpkeep, longCalls } from './upkeep.ts';

command('start:upkeep', 'Store and refresh candles, apply storage, reconcile, tidy up.').parse();

await runProcess('upkeep', async context => {
  const { config, logger, onStop, signal } = context;
  const connection = { url: requireDatabaseUrl(config), process: 'upkeep', logger };
  const role = 'foresight_upkeep';

  const sql = openDatabase({ ...connection, role, maxConnections: 2 });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { ...connection, signal });
  if (signal.aborted) return;
  // For the candles, for storage beside them, and to ask how they go on.
  const url = requireOwnerUrl(config);
  const owner = openDatabase({ ...connection, url, maxConnections: 3, statementTimeout: 0 });
  onStop(() => owner.end({ timeout: 2 }));
  await checkOwner(owner, url);
  const pool = openPgPool({ ...connection, role, flushes: false });
  onStop(() => pool.end());

  const calls = createUpkeep(sql, owner);
  const upkeep = watchCalls(calls, {
    deadlineMs: 32_000,
    long: { calls: longCalls, isRunning: calls.isCalling },
    onHang: context.fail,
  });
  const { nextWorkIn, nudge } = upkeep;
  const alarm = createAlarm({ nextWorkIn, nudge, logger });
  onStop(() => alarm.stop());
  const jobs = await runJobs({
    pool,
    tasks: {
      store_candles: storeCandles({ upkeep, logger, signal, onRest: alarm.lookAhead }),
      maintain: maintain({ upkeep, logger, signal }),
    },
    concurrency: 2,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());

  onStop(() => upkeep.sayGoodbye(hostname(), process.pid));
  startWorkHeartbeat(context, {
    jobs,
    beat: async (host, processId) => {
      const answer = upkeep.beat(host, processId, jobs.workerIds());
      const hasWork = await alarm.hear(answer.then(duties => duties.next_work_in));
      const { is_maintenance_due } = await answer;
      if (is_maintenance_due) await jobs.add('maintain');
      return hasWork || is_maintenance_due;
    },
  });
});
