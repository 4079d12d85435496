import { hostname } from 'node:os';
import { Option } from 'commander';
import { command, readNumber } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess, startHeartbeat } from '../../db/runtime/process.ts';
import { watchCalls } from '../watch.ts';
import { createFeed } from './feed.ts';
import { ingest } from './ingest.ts';
import { SourceError } from './source.ts';
import { createSource, sourceNames } from './sources.ts';

const program = command('start:ingest', 'Take live prices from a source into the database.')
  .addOption(
    new Option('--source <name>', 'where prices come from')
      .choices(sourceNames)
      .default('simulated'),
  )
  .option('--symbols <list>', 'symbols with commas between; without it the default watchlist')
  .option(
    '--history <hours>',
    'hours of history that the simulated market fills in',
    readNumber({ min: 0, max: 99_999 }),
    24,
  )
  .parse();
const options = program.opts<{ source: string; symbols?: string; history: number }>();

async function start(context: Context): Promise<void> {
  const { config, logger, onStop, signal } = context;
  const source = createSource(options.source, config, { historyHours: options.history });
  const url = requireDatabaseUrl(config);
  const sql = openDatabase({ url, process: 'ingest', role: 'foresight_ingest', logger });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { url, logger, signal });
  if (signal.aborted) return;
  const feed = watchCalls(createFeed(sql), { deadlineMs: 32_000, onHang: context.fail });

  onStop(() => sql`select ops.say_goodbye('ingest', ${hostname()}, ${process.pid})`);
  const running = ingest({
    source,
    symbols: options.symbols?.split(',').map(symbol => symbol.trim()) ?? [],
    feed,
    logger,
    signal,
  });
  running.catch(context.fail);
  onStop(() => running.catch(() => undefined));
  startHeartbeat(
    context,
    (host, processId) => sql`select ops.beat('ingest', ${host}, ${processId})`,
  );
}

await runProcess('ingest', start, error => error instanceof SourceError);
