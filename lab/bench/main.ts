import { writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';
import { command } from '../../db/runtime/arguments.ts';
import { type Engine, type Server, startServer } from '../harness/server.ts';
import { measureAlerts } from './alerts.ts';
import { type Database, describeServer, Interrupted, withDatabase } from './database.ts';
import type { EngineResult, Failure, Figure } from './figures.ts';
import { measureHistory } from './history.ts';
import { measureIdle } from './idle.ts';
import { measureIngest } from './ingest.ts';
import { measureKinds } from './kinds.ts';
import { measureLate } from './late.ts';
import { measureLatency } from './latency.ts';
import { describeMachine } from './machine.ts';
import { measureModels } from './models.ts';
import { measurePublish } from './publish.ts';
import { formatMarkdown, formatText, type Report } from './report.ts';
import { measureServices } from './services.ts';
import { measureStart } from './start.ts';
import { measureStorage } from './storage.ts';
import { measureWindows } from './windows.ts';

type Part = (server: Server, isQuick: boolean) => Promise<Figure[]>;

const inOneDatabase =
  (run: (database: Database, isQuick: boolean) => Promise<Figure[]>): Part =>
  (server, isQuick) =>
    withDatabase(server, database => run(database, isQuick));

/** In the order in which they run; each cleans up after itself, and fails alone. */
const parts: Record<string, Part> = {
  ingest: inOneDatabase(measureIngest),
  // Loaded when it runs: its generators take a second, and a wrong option is told at once.
  files: inOneDatabase(async (database, isQuick) =>
    (await import('./files.ts')).measureFiles(database, isQuick),
  ),
  storage: inOneDatabase(measureStorage),
  publish: inOneDatabase(measurePublish),
  late: inOneDatabase(measureLate),
  windows: inOneDatabase(measureWindows),
  idle: inOneDatabase(measureIdle),
  latency: inOneDatabase(measureLatency),
  services: inOneDatabase(measureServices),
  alerts: inOneDatabase(measureAlerts),
  kinds: async (_, isQuick) => measureKinds(isQuick),
  models: async (_, isQuick) => measureModels(isQuick),
  history: measureHistory,
  // It brings its own database, which is of this engine.
  start: async ({ engine }, isQuick) => (engine === 'postgres' ? measureStart(isQuick) : []),
};

const options = command(
  'bench',
  'Measures Foresight on this machine, on throw-away servers; asserts nothing.',
)
  .addOption(
    new Option('--engine <name>', 'which engine')
      .choices(['both', 'timescaledb', 'postgres'])
      .default('both'),
  )
  .addOption(new Option('--only <part>', 'one part instead of all').choices(Object.keys(parts)))
  .option('--quick', 'fewer ticks and shorter runs: to see that it works, not for figures', false)
  .option(
    '--json <file>',
    'where the figures are written, after each part; default: a file in the temporary folder',
  )
  .option('--markdown <file>', 'where a report is written at the end, as docs/benchmark.md is')
  .parse()
  .opts<{
    engine: 'both' | Engine;
    only?: string;
    quick: boolean;
    json?: string;
    markdown?: string;
  }>();

/**
 * @param keep Is given what there is after each part: a run is long, and may be interrupted.
 * @returns undefined when the engine is not on this machine.
 */
async function measure(
  engine: Engine,
  keep: (result: EngineResult) => Promise<void>,
): Promise<EngineResult | undefined> {
  const server = await startServer(engine, 'given');
  if (server === undefined) {
    say(`${engine} is not here: set TEST_TIMESCALE_URL, or install it locally`);
    return undefined;
  }
  const loadBefore = loadavg()[0] ?? Number.NaN;
  try {
    const settings = await withDatabase(server, describeServer);
    const figures: Figure[] = [];
    const failures: Failure[] = [];
    const resultNow = (): EngineResult => ({
      ...{ engine, settings, figures, failures },
      load: [loadBefore, loadavg()[0] ?? Number.NaN],
    });
    for (const [name, run] of Object.entries(parts)) {
      if (options.only !== undefined && options.only !== name) continue;
      say(`${engine}: ${name}`);
      const startedAt = performance.now();
      try {
        figures.push(...(await run(server, options.quick)));
      } catch (error) {
        if (error instanceof Interrupted) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        say(`${engine}: ${name} failed: ${error instanceof Error ? error.stack : reason}`);
        failures.push({ part: name, reason });
      }
      const seconds = (performance.now() - startedAt) / 1_000;
      figures.push({ part: 'benchmark', name: `part ${name} took`, unit: 's', value: seconds });
      await keep(resultNow());
    }
    return resultNow();
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
const machine = await describeMachine();
const file =
  options.json ?? join(tmpdir(), `foresight-bench-${startedAt.replaceAll(/[:.]/g, '-')}.json`);

async function writeFigures(results: readonly EngineResult[], isWhole: boolean): Promise<Report> {
  const report: Report = {
    startedAt,
    command: [
      'npm run bench',
      ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : []),
    ].join(' '),
    isQuick: options.quick,
    isWhole,
    machine,
    results,
  };
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  return report;
}

const results: EngineResult[] = [];
try {
  for (const engine of engines) {
    const result = await measure(engine, async soFar => {
      await writeFigures([...results, soFar], false);
    });
    if (result !== undefined) results.push(result);
  }
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  say(`the parts that ran, if any, are in ${file}`);
  // A measurement that was interrupted may still hold timers and children: they end with us.
  process.exit(1);
}
const report = await writeFigures(results, true);
if (options.markdown !== undefined) await writeFile(options.markdown, formatMarkdown(report));
process.stdout.write(`${formatText(report)}\nwritten to ${file}\n`);
// A part that failed, or an engine that is not here though it was asked for.
if (results.some(result => result.failures.length > 0) || results.length < engines.length)
  process.exitCode = 1;
