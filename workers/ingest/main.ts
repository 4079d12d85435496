import { hostname } from 'node:os';
import { Option } from 'commander';
import { command, readFileName } from '../../db/runtime/arguments.ts';
import { type Config, requireDatabaseUrl, secretsIn } from '../../db/runtime/config.ts';
import { openDatabase, waitForDatabase } from '../../db/runtime/database.ts';
import { type Context, runProcess } from '../../db/runtime/process.ts';
import { createPublicHosts } from '../public_host.ts';
import { watchCalls } from '../watch.ts';
import { createClock } from './clock.ts';
import { createSource, polledName, sourceNames, sourceOptions } from './entries.ts';
import { createFeed, type Feed } from './feed.ts';
import { ingest } from './ingest.ts';
import { createRecordingFiles, RECORDING_HELP, type RecordingFiles } from './recording/files.ts';
import { createTap } from './recording/tap.ts';
import { type Outside, type Source, SourceError } from './source.ts';
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
  .option('--no-repair', 'leave gaps as they are')
  .option('--record <file>', RECORDING_HELP, readFileName);
for (const { flags, description, parse, default: value } of sourceOptions) {
  program.option(flags, description, parse, value);
}
const options = program.parse().opts<{
  source: string;
  symbols?: string;
  repair: boolean;
  record?: string;
  [name: string]: unknown;
}>();

async function start(context: Context): Promise<void> {
  const { config, logger, onStop, signal } = context;
  const polled = polledName(options.source);
  const recorder = options.record === undefined ? undefined : createRecording(context);
  const outside = recorder === undefined ? {} : { network: recorder.tap.network };
  const known =
    polled === undefined ? createSource(options.source, config, options, outside) : undefined;
  if (recorder !== undefined && known?.isSimulated) {
    throw new SourceError(`the source ${known.name} hears nobody: there is nothing to record`);
  }
  const url = requireDatabaseUrl(config);
  const sql = openDatabase({ url, process: 'ingest', role: 'foresight_ingest', logger });
  onStop(() => sql.end({ timeout: 2 }));
  await waitForDatabase(sql, { url, logger, signal });
  if (signal.aborted) return;
  const watch = { deadlineMs: 32_000, onHang: context.fail };
  const feed = watchCalls(createFeed(sql), watch);
  const own = known ?? (await openPolled(polled ?? '', config, feed, outside));
  const source = recorder?.begin(own, options.record ?? '') ?? own;
  const { beat } = watchCalls(
    {
      /** @param offset How far our clock is ahead, in milliseconds. */
      beat: async (offset: number | null) => {
        const [row] = await sql<[{ now: number; followed: string[] }]>`
          select (extract(epoch from ops.beat('ingest', ${hostname()}, ${process.pid},
              clock_offset => ${offset}::float8 * interval '1 millisecond')) * 1000)::float8 as now,
            array(select feed.followed(${source.name})) as followed`;
        return row;
      },
    },
    watch,
  );

  onStop(() => sql`select ops.say_goodbye('ingest', ${hostname()}, ${process.pid})`);
  const clock = createClock();
  const running = ingest({
    source,
    symbols: options.symbols?.split(',').map(symbol => symbol.trim()) ?? [],
    repairs: options.repair,
    feed,
    beat: async () => {
      let followed: readonly string[] = [];
      await clock.compare(async () => {
        const answer = await beat(clock.offset());
        followed = answer.followed;
        return answer.now;
      });
      return followed;
    },
    logger,
    signal,
  });
  running.catch(context.fail);
  onStop(() => running.catch(() => undefined));
}

/** A tap for the source, and where what it hears is kept from when the source is there. */
function createRecording({ config, logger, onStop }: Context) {
  let files: RecordingFiles | undefined;
  const tap = createTap({
    secrets: secretsIn(config),
    write: entry => files?.write(entry),
  });
  return {
    tap,
    begin(source: Source, path: string): Source {
      const heard = tap.listenTo(source);
      files = createRecordingFiles({ path, context: tap.context, logger });
      onStop(files.close);
      return heard;
    },
  };
}

function openPolled(
  name: string,
  { polled }: Config,
  feed: Feed,
  outside: Outside,
): Promise<Source> {
  return createPolled({
    ...outside,
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
