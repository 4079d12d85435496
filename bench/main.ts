import { open, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { measureHistory } from './history.ts';
import { measureIdle } from './idle.ts';
import { measureIngest } from './ingest.ts';
import { measureLate } from './late.ts';
import { measureLatency } from './latency.ts';
import { measurePublish } from './publish.ts';
import { type EngineResult, type Figure, formatMarkdown, formatTable, median } from './report.ts';
import {
  type Database,
  describeServer,
  type Engine,
  isInterrupted,
  startServer,
  withDatabase,
} from './server.ts';
import { measureStorage } from './storage.ts';

const parts: Record<string, (database: Database, isQuick: boolean) => Promise<Figure[]>> = {
  ingest: measureIngest,
  storage: measureStorage,
  latency: measureLatency,
  history: measureHistory,
  publish: measurePublish,
  late: measureLate,
  idle: measureIdle,
};

const options = new Command('npm run bench --')
  .description('Measures Foresight on this machine, on throw-away servers; asserts nothing.')
  .addOption(
    new Option('--engine <name>', 'which engine')
      .choices(['both', 'timescaledb', 'postgres'])
      .default('both'),
  )
  .addOption(new Option('--only <part>', 'one part instead of all').choices(Object.keys(parts)))
  .option('--quick', 'fewer ticks and shorter runs: to see that it works, not for figures', false)
  .option('--json <file>', 'where the figures are written; default: a file in the temporary folder')
  .option('--markdown <file>', 'a report for the documents too')
  .parse()
  .opts<{
    engine: 'both' | Engine;
    only?: string;
    quick: boolean;
    json?: string;
    markdown?: string;
  }>();

/** Undefined when the engine is not on this machine. */
async function measure(engine: Engine): Promise<EngineResult | undefined> {
  const server = await startServer(engine);
  if (server === undefined) {
    say(`${engine} is not here: set TEST_TIMESCALE_URL, or install it locally`);
    return undefined;
  }
  const loadBefore = loadavg()[0] ?? Number.NaN;
  try {
    const figures: Figure[] = [];
    let settings: Record<string, string> = {};
    for (const [name, run] of Object.entries(parts)) {
      if (options.only !== undefined && options.only !== name) continue;
      say(`${engine}: ${name}`);
      try {
        figures.push(
          ...(await withDatabase(server, async database => {
            settings = await describeServer(database);
            return run(database, options.quick);
          })),
        );
      } catch (error) {
        if (isInterrupted()) throw error;
        say(`${engine}: ${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
        process.exitCode = 1;
      }
    }
    return { engine, settings, figures, load: [loadBefore, loadavg()[0] ?? Number.NaN] };
  } finally {
    await server.stop();
  }
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}

const startedAt = new Date().toISOString();
const engines: Engine[] =
  options.engine === 'both' ? ['timescaledb', 'postgres'] : [options.engine];
const results: EngineResult[] = [];
try {
  for (const engine of engines) {
    const result = await measure(engine);
    if (result !== undefined) results.push(result);
  }
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  // A measurement that was interrupted may still hold timers and children: they end with us.
  process.exit(1);
}
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  gigabytes: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  commitMs: await measureCommit(),
};
const described = `${machine.cores} x ${machine.cpu}, ${machine.gigabytes} GB, Linux ${machine.kernel}, Node ${machine.node}; a write of 8 kB is on the disk after ${machine.commitMs.toFixed(2)} ms (median of 200 fdatasync).`;
const file =
  options.json ?? join(tmpdir(), `foresight-bench-${startedAt.replaceAll(/[:.]/g, '-')}.json`);
await writeFile(
  file,
  `${JSON.stringify({ startedAt, isQuick: options.quick, machine, results }, undefined, 2)}\n`,
);
process.stdout.write(
  `${formatTable(results)}\n${described}${options.quick ? ' --quick: not for figures.' : ''}\nwritten to ${file}\n`,
);
if (options.markdown !== undefined) {
  const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`;
  await writeFile(
    options.markdown,
    formatMarkdown(results, { machine: described, command, startedAt }),
  );
}
// A part that failed may have left timers behind.
process.exit();

/** Milliseconds until 8 kB are on the disk of the temporary folder. */
async function measureCommit(): Promise<number> {
  const path = join(tmpdir(), `foresight-bench-${process.pid}`);
  const handle = await open(path, 'w');
  const waits: number[] = [];
  try {
    for (let index = 0; index < 200; index++) {
      const before = performance.now();
      await handle.write(Buffer.alloc(8_192, index), 0, 8_192, index * 8_192);
      await handle.datasync();
      waits.push(performance.now() - before);
    }
  } finally {
    await handle.close();
    await rm(path);
  }
  return median(waits);
}
