import { hostname } from 'node:os';
import { Option } from 'commander';
import { command } from '../../db/runtime/arguments.ts';
import { type Config, requireDatabaseUrl } from '../../db/runtime/config.ts';
import { openDatabase, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess, startHeartbeat } from '../../db/runtime/process.ts';
import { createPublicHosts } from '../public_host.ts';
import { watchCalls } from '../watch.ts';
import { createClock } from './clock.ts';
import { createSource, polledName, sourceNames, sourceOptions } from './entries.ts';
import { createFeed, type Feed } from './feed.ts';
import { ingest } from './ingest.ts';
import { type Source, SourceError } from './source.ts';
import { createPolled } from './sources/polled/source.ts';

const source = new Option(
  '--source <name>',
  'where prices come from; polled:NAME for a row of feed.polled_sources',
)
  .choices(sourceNames)
  .default('simulated');
const check = source.parseArg;
source.argParser<string>((name, before) => {
  if (polledName(name) === undefined) check?.call(source, name, before);
  return name;
});
const program = command('start:ingest', 'Take live prices from a source into the database.')
  .addOption(source)
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
  const polled = polledName(options.source);
  const known = polled === undefined ? createSource(options.source, config, options) : undefined;
  const url = requireDatabaseUrl(config);
  const sql = openDatabase({ url, process: 'ingest', role: 'foresight_ingest', logger });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { url, logger, signal });
  if (signal.aborted) return;
  const watch = { deadlineMs: 32_000, onHang: context.fail };
  const feed = watchCalls(createFeed(sql), watch);
  const source = known ?? (await openPolled(polled ?? '', config, feed));
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

function openPolled(name: string, { polled }: Config, feed: Feed): Promise<Source> {
  return createPolled({
    name,
    readRow: () => feed.polledSource(name),
    tell: ({ works, words }) => feed.recordTrial(name, works, words),
    showDigits: (symbol, digits) => feed.showDigits(symbol, digits),
    hosts: createPublicHosts({
      privateHosts: polled.hosts,
      setting: 'POLLED_HOSTS of the ingest process',
    }),
    tokens: polled.tokens,
  });
}

await runProcess('ingest', start, error => error instanceof SourceError);
