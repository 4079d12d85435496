import { hostname } from 'node:os';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase } from '../../db/runtime/database.ts';
import { runProcess, startHeartbeat } from '../../db/runtime/process.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { ingest } from '../../workers/ingest/ingest.ts';
import { type Schedule, scheduledSource } from './load.ts';

/**
 * The ingest process with a scheduled source: workers/ingest/main.ts in all else. It is given a
 * schedule as a message, and answers when all its ticks are stored.
 */
await runProcess('ingest', async context => {
  const { config, logger, onStop, signal } = context;
  const url = requireDatabaseUrl(config);
  const sql = openDatabase({ url, process: 'ingest', role: 'foresight_ingest', logger });
  onStop(() => sql.end({ timeout: 2 }));
  onStop(() => sql`select ops.say_goodbye('ingest', ${hostname()}, ${process.pid})`);
  const feed = createFeed(sql);
  let running: Promise<void> = Promise.resolve();
  onStop(() => running);
  process.on('message', (schedule: Schedule) => {
    const source = scheduledSource(schedule);
    running = ingest({ source, symbols: schedule.symbols, repairs: false, feed, logger, signal })
      .then(() => {
        if (!signal.aborted) process.send?.({ stored: true });
      })
      .catch(context.fail);
  });
  startHeartbeat(
    context,
    (host, processId) => sql`select ops.beat('ingest', ${host}, ${processId})`,
  );
});
