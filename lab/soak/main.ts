import { writeFileSync } from 'node:fs';
import { Option } from 'commander';
import { command, readNumber } from '../../db/runtime/arguments.ts';
import { isLostConnection } from '../../db/runtime/errors.ts';
import type { Engine } from '../harness/server.ts';
import { describe } from './report.ts';

const options = command(
  'soak',
  'Breaks the running system as a seed says, and compares all it holds with what was sent.',
)
  .option('--minutes <number>', 'how long', readNumber({ min: 0.1, max: 10_000 }), 30)
  .option(
    '--seed <number>',
    'the same one draws the same faults',
    readNumber({ min: 0, max: 4_294_967_295, isWhole: true }),
    1,
  )
  .addOption(
    new Option('--engine <name>', 'which engine')
      .choices(['both', 'timescaledb', 'postgres'])
      .default('both'),
  )
  .option('--twins', 'two of each process, and a third that computes indicators', false)
  .option('--report <file>', 'where the report is written as JSON')
  .parse()
  .opts<{
    minutes: number;
    seed: number;
    engine: 'both' | Engine;
    twins: boolean;
    report?: string;
  }>();
const engines: Engine[] =
  options.engine === 'both' ? ['timescaledb', 'postgres'] : [options.engine];

// As in the processes: postgres.js tells nobody when a connection ends while it asks for the array types.
process.on('unhandledRejection', error => {
  if (!isLostConnection(error)) throw error;
});

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    console.error(`${signal}: ending; what was done so far is compared`);
    interrupted.abort();
  });
}

// Here, so that a wrong option is told at once: its generators take a second to load.
const { soak } = await import('./run.ts');
const reports = [];
for (const engine of engines) {
  if (interrupted.signal.aborted) break;
  const report = await soak({
    engine,
    seed: options.seed,
    minutes: options.minutes,
    twins: options.twins,
    signal: interrupted.signal,
    say: line => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`),
  });
  if (report === undefined) {
    console.error(`${engine} is not on this machine: SKIPPED`);
    continue;
  }
  reports.push(report);
  console.log(`${describe(report)}\n`);
}
if (options.report !== undefined) {
  writeFileSync(options.report, `${JSON.stringify(reports, null, 2)}\n`);
}
// What a run leaves open ends with it.
process.exit(
  reports.length > 0 && reports.every(report => report.differences.length === 0) ? 0 : 1,
);
