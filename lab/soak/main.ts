import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describe } from './report.ts';
import { soak } from './run.ts';
import type { Engine } from './server.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'both' },
    report: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (
  !(minutes > 0) ||
  !Number.isSafeInteger(seed) ||
  !/^(both|timescaledb|postgres)$/.test(values.engine)
) {
  console.error(
    'usage: npm run soak -- [--minutes 30] [--seed 1] [--engine both|timescaledb|postgres] [--report FILE]',
  );
  process.exit(2);
}
const engines: Engine[] =
  values.engine === 'both' ? ['timescaledb', 'postgres'] : [values.engine as Engine];

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    console.error(`${signal}: ending; what was done so far is compared`);
    interrupted.abort();
  });
}

const reports = [];
for (const engine of engines) {
  if (interrupted.signal.aborted) break;
  const report = await soak({
    engine,
    seed,
    minutes,
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
if (values.report !== undefined) {
  writeFileSync(values.report, `${JSON.stringify(reports, null, 2)}\n`);
}
// What a run leaves open ends with it.
process.exit(
  reports.length > 0 && reports.every(report => report.differences.length === 0) ? 0 : 1,
);
