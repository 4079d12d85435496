import { openDatabase } from '../db/runtime/database.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { ingest } from '../workers/ingest/ingest.ts';
import { type Schedule, scheduledSource } from './load.ts';
import { benchLogger } from './server.ts';

/** The real ingest with a schedule for a source, in a process of its own; answers when all is stored. */
const [url = '', text = '{}'] = process.argv.slice(2);
const schedule = JSON.parse(text) as Schedule;
const sql = openDatabase({
  url,
  process: 'bench load',
  role: 'foresight_ingest',
  logger: benchLogger,
});
const stopping = new AbortController();
for (const end of ['SIGTERM', 'disconnect'] as const) {
  process.once(end, () => {
    stopping.abort();
    void sending.finally(() => sql.end({ timeout: 2 })).finally(() => process.exit());
  });
}
const sending = ingest({
  source: scheduledSource(schedule),
  symbols: schedule.symbols,
  feed: createFeed(sql),
  logger: benchLogger,
  signal: stopping.signal,
});
process.on('message', () => void sending.then(() => process.send?.('stored')));
process.send?.('ready');
