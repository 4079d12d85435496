import { InvalidArgumentError, Option } from 'commander';
import { migrate } from '../db/migrate.ts';
import { command } from '../db/runtime/arguments.ts';
import { type Config, secretsIn } from '../db/runtime/config.ts';
import { openDatabase, type Sql } from '../db/runtime/database.ts';
import { type Context, runProcess } from '../db/runtime/process.ts';
import { createSource, sourceNames } from '../workers/ingest/entries.ts';
import { addCounts, type Counts, createFeed, type Feed, noCounts } from '../workers/ingest/feed.ts';
import { parseColumns, TICK_FILE_LAYOUTS, TickFileError } from '../workers/ingest/files/csv.ts';
import { filesOf, type Input, openInput } from '../workers/ingest/files/input.ts';
import { ROLES } from '../workers/ingest/files/layouts.ts';
import { type ReplayProgress, replay } from '../workers/ingest/files/replay.ts';
import { type FileLayout, replaySource } from '../workers/ingest/files/source.ts';
import { checkZone } from '../workers/ingest/files/times.ts';
import type { Head } from '../workers/ingest/recording/entries.ts';
import { readRecording } from '../workers/ingest/recording/read.ts';
import { recordedSymbol, replayRecording } from '../workers/ingest/recording/replay.ts';
import { type Outside, type Source, SourceError } from '../workers/ingest/source.ts';
import { createPolled } from '../workers/ingest/sources/polled/source.ts';
import { createPublicHosts } from '../workers/public_host.ts';
import { EmbeddedError, startEmbedded } from './embedded/embedded.ts';
import { lockFolder } from './embedded/lock.ts';

const program = command(
  'replay',
  'Store the ticks of files (CSV, also as gzip, zip or zstd); run again it goes on where it stopped.',
)
  .argument('[files...]', 'files, folders of them, or - for what is piped in')
  .option('--symbol <symbol>', 'whose ticks they are, for example EUR_USD')
  .option(
    '--source <name>',
    'source that the symbol belongs to: of a live one the files become its history',
    replaySource.name,
  )
  .option(
    '--speed <factor>',
    '1 = as fast as it happened, 10 = ten times, max = at once',
    readSpeed,
    'max',
  )
  .option('--allow-negative', 'prices of zero and below are prices, as of spreads and power')
  .option('--follow', 'go on with what is added to the end of the (last) file, until stopped')
  .option('--bid <file>', 'makes quotes of two files: this one has the bids')
  .option('--ask <file>', 'and this one the asks')
  .option(
    '--recorded <file>',
    `instead of files of ticks: what start:ingest --record kept, played through the source that heard it; of what EUR_USD was it makes ${recordedSymbol('EUR_USD')}`,
  )
  .option('--dry-run', 'of a recording: store nothing, tell what would be in an empty database')
  .addOption(
    new Option('--layout <name>', 'how the lines are laid out; without it found by itself').choices(
      TICK_FILE_LAYOUTS.map(layout => layout.name),
    ),
  )
  .option(
    '--columns <list>',
    "which column is what, by name or number: 'time=participant_timestamp:ns,last=price,size=size,seq=id'",
    refusing(parseColumns),
  )
  .option('--delimiter <mark>', 'between columns; without it found by itself', readDelimiter)
  .addOption(new Option('--decimal <mark>', 'before the fraction of a number').choices(['.', ',']))
  .option(
    '--zone <zone>',
    'of times that say none: UTC, -05:00, Europe/Berlin',
    refusing(checkZone),
  )
  .addHelpText(
    'after',
    `
In --columns the names are ${ROLES.join(', ')}; a time has a unit: text, mdy (text, the month first),
or s, ms, us, ns since 1970. Numbers count from 1, for a file without a header.

Layouts:
${TICK_FILE_LAYOUTS.map(layout => `  ${layout.name}: ${layout.description}`).join('\n')}`,
  )
  .parse();
const options = program.opts<
  FileLayout & {
    recorded?: string;
    dryRun?: true;
    /** There is one unless a recording is played. */
    symbol: string;
    source: string;
    speed: number | 'max';
    allowNegative?: true;
    follow?: true;
    bid?: string;
    ask?: string;
  }
>();

if (options.recorded === undefined && options.dryRun !== undefined) {
  program.error('error: --dry-run is of use beside --recorded only');
}
if (options.recorded === undefined && options.symbol === undefined) {
  program.error("error: required option '--symbol <symbol>' not specified");
}

/** A fault that the person at the terminal can mend. */
function isHopeless(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  return (
    error instanceof SourceError ||
    error instanceof EmbeddedError ||
    error instanceof TickFileError ||
    [
      'ENOENT',
      'EACCES',
      'EISDIR',
      'SRCIN',
      'NOSRC',
      '23514',
      'ECONNREFUSED',
      '3D000',
      '28P01',
    ].includes(code)
  );
}

async function start(context: Context): Promise<void> {
  if (options.recorded === undefined) await replayFiles(context);
  else await playRecorded(context, options.recorded);
}

async function playRecorded(context: Context, path: string): Promise<void> {
  const { config, logger, signal } = context;
  const others = Object.keys(options).filter(
    name => !['recorded', 'dryRun'].includes(name) && program.getOptionValueSource(name) === 'cli',
  );
  if (others.length > 0 || program.args.length > 0) {
    throw new SourceError('beside --recorded only --dry-run says something');
  }
  const faults: string[] = [];
  const onDamage = (words: string) => faults.push(words);
  // Before a database is started for it.
  for await (const _ of readRecording(path, onDamage)) break;
  let opened: Promise<Sql> | undefined;
  const open = () => {
    opened ??= openSql(context);
    return opened;
  };
  const sql = options.dryRun === undefined ? await open() : undefined;
  const everyMs = process.stderr.isTTY ? 100 : 10_000;
  let shownAt = Date.now();
  const done = await replayRecording({
    entries: readRecording(path, onDamage),
    create: (head, outside) => createRecorded(head, outside, config, open),
    secrets: secretsIn(config),
    feed: sql && createFeed(sql),
    logger,
    signal,
    onProgress: progress => {
      if (Date.now() - shownAt < everyMs) return;
      shownAt = Date.now();
      process.stderr.write(`${progress.to}: ${told(progress)}\n`);
    },
  });
  reportRecorded(done, signal.aborted);
  if (sql !== undefined) await sql`call outbox.refresh_late()`;
  faults.push(...done.faults);
  if (faults.length > 0) {
    throw new TickFileError(`the recording was not played to its end: ${faults.join('; ')}`);
  }
}

/** The source that heard a recording. It is alone with it: what it needs to ask its provider it does not need now. */
async function createRecorded(
  { source: name, mode }: Head,
  outside: Required<Outside>,
  config: Config,
  open: () => Promise<Sql>,
): Promise<Source> {
  if (sourceNames.includes(name)) {
    // As it stands in the recording.
    const hidden = { token: '***', accountId: '***' };
    const isPolled = mode === 'poll';
    const oanda = { ...config.oanda, ...hidden, mode: isPolled ? 'poll' : 'stream' } as const;
    return createSource(name, { ...config, oanda }, {}, outside);
  }
  const row = await createFeed(await open()).polledSource(name);
  return createPolled({
    ...outside,
    name,
    // Its headers name tokens.
    readRow: async () => row && { ...row, headers: {} },
    tell: async () => undefined,
    hosts: createPublicHosts({ setting: 'POLLED_HOSTS' }),
    tokens: {},
  });
}

function reportRecorded(
  done: Awaited<ReturnType<typeof replayRecording>>,
  isInterrupted: boolean,
): void {
  const { sources, entries, from, to, lost, unheard, reasons } = done;
  const title = options.dryRun === undefined ? '' : 'a dry run, nothing is stored: ';
  console.log(`${title}${sources.join(', ')}, heard from ${from} to ${to}`);
  console.log(`${isInterrupted ? 'interrupted at' : 'read to'} entry ${entries}: ${told(done)}`);
  for (const [reason, count] of reasons) console.log(`  ${reason}: ${count}`);
  const others = done.rejected - [...reasons.values()].reduce((sum, count) => sum + count, 0);
  if (others > 0) console.log(`  by the database: ${others}`);
  if (lost > 0) console.log(`  ${lost} entries could not be recorded`);
  if (unheard > 0) console.log(`  ${unheard} answers or connections nobody asked for now`);
}

async function openSql(context: Context): Promise<Sql> {
  const { logger, onStop } = context;
  const url = context.config.databaseUrl ?? (await openEmbedded(context));
  const sql = openDatabase({ url, process: 'replay', logger, statementTimeout: 0 });
  onStop(() => sql.end({ timeout: 2 }));
  return sql;
}

async function replayFiles(context: Context): Promise<void> {
  const { logger, signal } = context;
  const { symbol, source } = options;
  refuseSimulated(context, source);
  const inputs = await openInputs();
  const sql = await openSql(context);
  const feed = createFeed(sql);
  const faults: string[] = [];
  let isPrepared = false;
  const show = createProgressLine(inputs.map(({ input }) => input));
  try {
    for (const [index, { input, asks }] of inputs.entries()) {
      if (signal.aborted) break;
      const title = inputs.length > 1 ? `${index + 1}/${inputs.length} ${input.name}: ` : '';
      let last: ReplayProgress | undefined;
      const onProgress = (progress: ReplayProgress): void => {
        last = progress;
        show.update(title, progress);
      };
      try {
        last = await replay({
          ...{ input, symbol, source, speed: options.speed, feed, logger, signal, onProgress },
          ...(asks && { asks }),
          allowsNegative: options.allowNegative ?? false,
          reading: options,
          prepare: async () => {
            if (!isPrepared) await prepare(feed);
            isPrepared = true;
          },
        });
      } catch (error) {
        // One of many that cannot be read keeps the others from nothing.
        if (title === '' || !(error instanceof TickFileError)) throw error;
        faults.push(`${input.name}: ${error.message}`);
      } finally {
        show.clear();
        if (last !== undefined) report(title, last, signal.aborted);
      }
      show.next(last);
    }
  } finally {
    if (inputs.length > 1) console.log(`all ${inputs.length}: ${told(show.total())}`);
  }
  // Ticks of the past come in below what is materialised: no publisher has to run for this.
  await sql`call outbox.refresh_late()`;
  if (faults.length > 0) {
    throw new TickFileError(
      `${faults.length} of ${inputs.length} files could not be read to the end: ${faults.join('; ')}`,
    );
  }
}

async function openInputs(): Promise<{ input: Input; asks?: Input }[]> {
  const { bid, ask, follow: isFollowed = false } = options;
  if ((bid === undefined) !== (ask === undefined)) {
    throw new SourceError('--bid and --ask are of use together only');
  }
  if (bid !== undefined && ask !== undefined) {
    if (program.args.length > 0) throw new SourceError('beside --bid and --ask no file is read');
    return [{ input: await openInput(bid), asks: await openInput(ask) }];
  }
  const files = (await Promise.all(program.args.map(filesOf))).flat();
  if (files.length === 0) throw new SourceError('name a file of ticks, or - for what is piped in');
  const inputs: { input: Input }[] = [];
  for (const [index, file] of files.entries()) {
    const isLast = index === files.length - 1;
    inputs.push({ input: await openInput(file, { isFollowed: isFollowed && isLast }) });
  }
  return inputs;
}

/** Prices of a file are not made up, and those of a simulated source are. */
function refuseSimulated({ config }: Context, source: string): void {
  if (!sourceNames.includes(source)) return;
  try {
    if (!createSource(source, config, {}).isSimulated) return;
  } catch (error) {
    // It needs settings, so it is a live one.
    if (error instanceof SourceError) return;
    throw error;
  }
  throw new SourceError(`the prices of the source ${source} are made up, not those of a file`);
}

/** Makes what the ticks need, not before there are any. */
async function prepare(feed: Feed): Promise<void> {
  const { symbol, source } = options;
  const isReplay = source === replaySource.name;
  if (isReplay) await feed.registerSource(replaySource, false);
  const add = async () => {
    await feed.addInstrument(source, { symbol, description: '', pricePrecision: 0 });
    if (options.allowNegative) await feed.allowNegative(symbol, source);
  };
  try {
    await add();
  } catch (error) {
    const isUnknown = (error as { code?: string }).code === 'NOSRC';
    if (!isUnknown || !sourceNames.includes(source)) throw error;
    // Its process says the rest when it is started.
    await feed.registerSource({ name: source, isSimulated: false, description: '' }, false);
    await add();
  }
  if (!isReplay) return;
  console.log(
    `${symbol} belongs to the source replay; for the history of a live one say --source NAME`,
  );
}

/** The database of `npm start`: the running one, else started for as long as this takes. */
async function openEmbedded({ config, logger, onStop }: Context): Promise<string> {
  let lock: { release(): void } | undefined;
  try {
    lock = await lockFolder(config.dataDir);
  } catch (error) {
    if (!(error instanceof EmbeddedError) || !error.message.startsWith('already running'))
      throw error;
  }
  const embedded = await startEmbedded({ dataDir: config.dataDir, logger });
  onStop(async () => {
    if (lock === undefined) return;
    await embedded.stop();
    lock.release();
  });
  if (lock !== undefined) await migrate({ url: embedded.url, logger });
  return embedded.url;
}

/** One line for all files together. */
function createProgressLine(inputs: readonly Input[]) {
  const everyMs = process.stderr.isTTY ? 100 : 10_000;
  const bytes = inputs.map(input => input.bytes);
  const isKnown = bytes.every(each => each !== null);
  const all = Math.max(
    1,
    bytes.reduce<number>((sum, each) => sum + (each ?? 0), 0),
  );
  let done: Counts = noCounts;
  let shownAt = 0;
  return {
    update(title: string, progress: ReplayProgress): void {
      if (Date.now() - shownAt < everyMs) return;
      shownAt = Date.now();
      const read = inputs.reduce((sum, input) => sum + input.bytesRead(), 0);
      const share = isKnown ? `${((100 * read) / all).toFixed(0)} % · ` : '';
      const text = `${title}line ${progress.line} · ${share}${told(addCounts(done, progress))}`;
      process.stderr.write(process.stderr.isTTY ? `\r${text}\u001b[K` : `${text}\n`);
    },
    clear(): void {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    },
    /** The file is done: its counts are kept. */
    next(progress: ReplayProgress | undefined): void {
      if (progress !== undefined) done = addCounts(done, progress);
    },
    total: () => done,
  };
}

const told = ({ stored, duplicate, conflicting, rejected }: Counts): string =>
  `${stored} stored, ${duplicate} duplicate, ${conflicting} conflicting, ${rejected} rejected`;

function report(title: string, done: ReplayProgress, isInterrupted: boolean): void {
  if (done.resumedAfter > 0) console.log(`${title}went on after line ${done.resumedAfter}`);
  console.log(
    `${title}${isInterrupted ? 'interrupted at' : 'read to'} line ${done.line}: ${told(done)}`,
  );
  for (const { line, reason, detail } of done.rejections)
    console.log(`  line ${line}: ${reason}: ${detail}`);
  const more = done.rejected - done.rejections.length;
  if (more > 0) console.log(`  and ${more} more: select * from feed.rejected_ticks;`);
}

function readSpeed(text: string): number | 'max' {
  if (text === 'max') return 'max';
  const speed = Number(text);
  if (!(speed > 0 && Number.isFinite(speed))) {
    throw new InvalidArgumentError('It must be max or a number greater than 0.');
  }
  return speed;
}

/** An argument that its reader refuses with a RangeError. */
function refusing<Result>(read: (text: string) => Result): (text: string) => Result {
  return text => {
    try {
      return read(text);
    } catch (error) {
      if (error instanceof RangeError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

function readDelimiter(text: string): string {
  const mark = text === '\\t' || text === 'tab' ? '\t' : text;
  if (mark.length === 1 && !/["\r\n]/.test(mark)) return mark;
  throw new InvalidArgumentError('It must be one character, or tab.');
}

// The terminal is for the answer: the log speaks up only when something is wrong.
process.env.LOG_LEVEL ??= 'warn';

// What we make, we make for our user alone.
process.umask(0o077);

await runProcess(
  'replay',
  async context => {
    await start(context);
    context.finish();
  },
  isHopeless,
);
