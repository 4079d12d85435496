import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { measureIngest } from './ingest.ts';
import { measureLatency } from './latency.ts';
import { type EngineResult, type Figure, formatTable } from './report.ts';
import { type Database, describeServer, type Engine, startServer, withDatabase } from './server.ts';
import { measureStorage } from './storage.ts';

const parts: Record<string, (database: Database, isQuick: boolean) => Promise<Figure[]>> = {
  ingest: measureIngest,
  storage: measureStorage,
  latency: measureLatency,
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
  .parse()
  .opts<{ engine: 'both' | Engine; only?: string; quick: boolean; json?: string }>();

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
      figures.push(
        ...(await withDatabase(server, async database => {
          settings = await describeServer(database);
          return run(database, options.quick);
        })),
      );
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
  node: process.version,
};
const file =
  options.json ?? join(tmpdir(), `foresight-bench-${startedAt.replaceAll(/[:.]/g, '-')}.json`);
await writeFile(
  file,
  `${JSON.stringify({ startedAt, isQuick: options.quick, machine, results }, undefined, 2)}\n`,
);
process.stdout.write(
  `${formatTable(results)}\n${machine.cores} x ${machine.cpu}, node ${machine.node}${options.quick ? ', --quick: not for figures' : ''}\nwritten to ${file}\n`,
);
