import { hostname } from 'node:os';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase } from '../../db/runtime/database.ts';
import { runProcess } from '../../db/runtime/process.ts';
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
  /** As the heartbeat of ingest is, see {@link IngestParts}. */
  const beat = async (): Promise<readonly string[]> => {
    const [row] = await sql<[{ followed: string[] }]>`
      select ops.beat('ingest', ${hostname()}, ${process.pid}), array(select feed.followed('manual')) as followed`;
    return row.followed;
  };
  let running: Promise<void> = Promise.resolve();
  onStop(() => running);
  process.on('message', (schedule: Schedule) => {
    const source = scheduledSource(schedule);
    running = ingest({
      ...{ source, symbols: schedule.symbols, repairs: false, feed, beat, logger, signal },
    })
      .then(() => {
        if (!signal.aborted) process.send?.({ stored: true });
      })
      .catch(context.fail);
  });
});
