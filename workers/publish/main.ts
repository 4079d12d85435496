import { hostname } from 'node:os';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, openPgPool, waitForDatabase } from '../../db/runtime/database.ts';
import { runProcess } from '../../db/runtime/process.ts';
import { createAlerts } from '../alert/alert.ts';
import { tellAlerts } from '../alert/tell_alerts.ts';
import { createWebhook } from '../alert/webhook.ts';
import { createAlarm, runJobs, startWorkHeartbeat } from '../jobs.ts';
import { openQueue } from '../queue.ts';
import { watchCalls } from '../watch.ts';
import { lookForQueues } from './deliver.ts';
import { createOutbox } from './outbox.ts';
import { publishDeltas } from './tasks/publish_deltas.ts';

command(
  'start:publish',
  'Capture changed candles and send them to the queues; deliver alerts.',
).parse();

await runProcess('publish', async context => {
  const { config, logger, onStop, signal } = context;
  const connection = { url: requireDatabaseUrl(config), process: 'publish', logger };
  const role = 'foresight_publish';

  const sql = openDatabase({ ...connection, role });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { ...connection, signal });
  if (signal.aborted) return;
  const queue = openQueue({ region: config.awsRegion, endpoint: config.sqsEndpoint });
  onStop(() => queue.close());
  const pool = openPgPool({ ...connection, role, flushes: false });
  onStop(() => pool.end());

  const outbox = watchCalls(createOutbox(sql), {
    deadlineMs: 32_000,
    onHang: context.fail,
  });
  const alarm = createAlarm({ nextWorkIn: outbox.nextWorkIn, nudge: outbox.nudge, logger });
  onStop(() => alarm.stop());
  const alerts = watchCalls(createAlerts(sql), { deadlineMs: 32_000, onHang: context.fail });
  const bell = createAlarm({ nextWorkIn: alerts.nextWorkIn, nudge: alerts.nudge, logger });
  onStop(() => bell.stop());
  let isWatching = false;
  const jobs = await runJobs({
    pool,
    tasks: {
      publish_deltas: publishDeltas({
        outbox,
        queue,
        logger,
        signal,
        onRest() {
          alarm.lookAhead();
          // What was sent now will be values in a moment.
          if (isWatching) bell.expectWork();
        },
      }),
      tell_alerts: tellAlerts({
        alerts,
        webhook: createWebhook({ privateHosts: config.webhookHosts }),
        queue,
        logger,
        signal,
        onRest: bell.lookAhead,
      }),
    },
    concurrency: 3,
    logger,
    fail: context.fail,
  });
  onStop(() => jobs.stop());

  onStop(() => sql`select ops.say_goodbye('publish', ${hostname()}, ${process.pid})`);
  const lookFor = lookForQueues({ outbox, queue, logger });
  startWorkHeartbeat(context, {
    jobs,
    beat: async (host, processId) => {
      const answer = outbox.beat(host, processId, jobs.workerIds());
      const hasWork = await alarm.hear(answer.then(duties => duties.next_work_in));
      const hasAlert = await bell.hear(answer.then(duties => duties.next_alert_in));
      const duties = await answer;
      isWatching = duties.is_watching;
      lookFor(duties.queues);
      return hasWork || hasAlert;
    },
  });
});
