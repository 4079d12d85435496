import { InvalidArgumentError } from 'commander';
import { migrate } from '../db/migrate.ts';
import { command } from '../db/runtime/arguments.ts';
import { openDatabase } from '../db/runtime/database.ts';
import { type Context, runProcess } from '../db/runtime/process.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { TICK_FILE_LAYOUTS, TickFileError } from '../workers/ingest/files/csv.ts';
import { type ReplayProgress, replay } from '../workers/ingest/files/replay.ts';
import { replaySource } from '../workers/ingest/files/source.ts';
import { SourceError } from '../workers/ingest/source.ts';
import { EmbeddedError, startEmbedded } from './embedded/embedded.ts';
import { lockFolder } from './embedded/lock.ts';

const program = command(
  'replay',
  'Store the ticks of a CSV file (gzip or not); run again it goes on where it stopped.',
)
  .argument('<file>', 'the file')
  .requiredOption('--symbol <symbol>', 'whose ticks they are, for example EUR_USD')
  .option('--source <name>', 'source that the symbol belongs to', replaySource.name)
  .option(
    '--speed <factor>',
    '1 = as fast as it happened, 10 = ten times, max = at once',
    readSpeed,
    'max',
  )
  .addHelpText(
    'after',
    `\nLayouts:\n${TICK_FILE_LAYOUTS.map(layout => `  ${layout.name}: ${layout.description}`).join('\n')}`,
  )
  .parse();
const [file = ''] = program.args;
const options = program.opts<{ symbol: string; source: string; speed: number | 'max' }>();

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
  const { logger, onStop, signal } = context;
  const url = context.config.databaseUrl ?? (await openEmbedded(context));
  const sql = openDatabase({ url, process: 'replay', logger, statementTimeout: 0 });
  onStop(() => sql.end({ timeout: 2 }));
  const feed = createFeed(sql);
  const { symbol, source } = options;
  if (source === replaySource.name) await feed.registerSource(replaySource, false);
  await feed.addInstrument(source, { symbol, description: '', pricePrecision: 5 });

  const show = createProgressLine();
  let last: ReplayProgress | undefined;
  const onProgress = (progress: ReplayProgress): void => {
    last = progress;
    show.update(progress);
  };
  try {
    await replay({ file, symbol, source, speed: options.speed, feed, logger, signal, onProgress });
  } finally {
    show.end();
    if (last !== undefined) report(last, signal.aborted);
  }
  // Ticks of the past come in below what is materialised: no publisher has to run for this.
  await sql`call outbox.refresh_late()`;
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

function createProgressLine() {
  let shownAt = 0;
  const line = (progress: ReplayProgress): string => {
    const percent = progress.bytes === 0 ? 100 : (100 * progress.bytesRead) / progress.bytes;
    return `line ${progress.line} · ${percent.toFixed(0)} % · ${progress.stored} stored · ${progress.duplicate} duplicate · ${progress.conflicting} conflicting · ${progress.rejected} rejected`;
  };
  return {
    update(progress: ReplayProgress): void {
      const everyMs = process.stderr.isTTY ? 100 : 10_000;
      if (Date.now() - shownAt < everyMs) return;
      shownAt = Date.now();
      process.stderr.write(
        process.stderr.isTTY ? `\r${line(progress)}\u001b[K` : `${line(progress)}\n`,
      );
    },
    end(): void {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    },
  };
}

function report(done: ReplayProgress, isInterrupted: boolean): void {
  if (done.resumedAfter > 0) console.log(`went on after line ${done.resumedAfter}`);
  console.log(
    `${isInterrupted ? 'interrupted at' : 'read to'} line ${done.line}: ${done.stored} stored, ${done.duplicate} duplicate, ${done.conflicting} conflicting, ${done.rejected} rejected`,
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
