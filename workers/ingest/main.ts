import { hostname } from 'node:os';
import { Option } from 'commander';
import { command } from '../../db/runtime/arguments.ts';
import { requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess, startHeartbeat } from '../../db/runtime/process.ts';
import { watchCalls } from '../watch.ts';
import { createClock } from './clock.ts';
import { createSource, sourceNames, sourceOptions } from './entries.ts';
import { createFeed } from './feed.ts';
import { ingest } from './ingest.ts';
import { SourceError } from './source.ts';

const program = command('start:ingest', 'Take live prices from a source into the database.')
  .addOption(
    new Option('--source <name>', 'where prices come from')
      .choices(sourceNames)
      .default('simulated'),
  )
  .option('--symbols <list>', 'symbols with commas between; without it the default watchlist')
  .option('--no-repair', 'leave gaps as they are');
for (const { flags, description, parse, default: value } of sourceOptions) {
  program.option(flags, description, parse, value);
}
const options = program
  .parse()
  .opts<{ source: string; symbols?: string; repair: boolean; [name: string]: unknown }>();

async function start(context: Context): Promise<void> {
  const { config, logger, onStop, signal } = context;
  const source = createSource(options.source, config, options);
  const url = requireDatabaseUrl(config);
  const sql = openDatabase({ url, process: 'ingest', role: 'foresight_ingest', logger });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { url, logger, signal });
  if (signal.aborted) return;
  const watch = { deadlineMs: 32_000, onHang: context.fail };
  const feed = watchCalls(createFeed(sql), watch);
  const { beat } = watchCalls(
    {
      /** @param offset How far our clock is ahead, in milliseconds. */
      beat: async (host: string, processId: number, offset: number | null): Promise<number> => {
        const [row] = await sql<[{ now: string }]>`
          select extract(epoch from ops.beat('ingest', ${host}, ${processId},
            clock_offset => ${offset}::float8 * interval '1 millisecond')) * 1000 as now`;
        return Number(row.now);
      },
    },
    watch,
  );

  onStop(() => sql`select ops.say_goodbye('ingest', ${hostname()}, ${process.pid})`);
  const running = ingest({
    source,
    symbols: options.symbols?.split(',').map(symbol => symbol.trim()) ?? [],
    repairs: options.repair,
    feed,
    logger,
    signal,
  });
  running.catch(context.fail);
  onStop(() => running.catch(() => undefined));
  const clock = createClock();
  startHeartbeat(context, (host, processId) =>
    clock.compare(() => beat(host, processId, clock.offset())),
  );
}

await runProcess('ingest', start, error => error instanceof SourceError);
