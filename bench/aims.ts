import type { EngineResult } from './report.ts';

/** What a figure should reach, by its part, name and unit. */
interface Aim {
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  readonly limit: number;
  readonly isAtLeast?: boolean;
  /** Only of this engine. */
  readonly engine?: string;
}

export const aims: readonly Aim[] = [
  {
    part: 'ingest',
    name: 'record_ticks, 5000 a call',
    unit: 'of bare COPY',
    limit: 0.5,
    isAtLeast: true,
    engine: 'timescaledb',
  },
  {
    part: 'ingest',
    name: 'record_ticks, 5000 a call',
    unit: 'times 1 a call',
    limit: 30,
    isAtLeast: true,
    engine: 'timescaledb',
  },
  { part: '1000 ticks/s', name: 'due -> value, median', unit: 'ms', limit: 100 },
  { part: '1000 ticks/s', name: 'due -> value, 99th percentile', unit: 'ms', limit: 300 },
  { part: 'history', name: 'due -> value, median, long beside short', unit: 'times', limit: 1.2 },
  {
    part: 'history',
    name: 'due -> value, 99th percentile, long beside short',
    unit: 'times',
    limit: 1.2,
  },
  { part: 'publish', name: 'all, as it forms: send requests', unit: '/1,000 deltas', limit: 5 },
  {
    part: 'publish',
    name: 'all, forming each second: send requests',
    unit: '/1,000 deltas',
    limit: 5,
  },
  { part: 'publish', name: 'all, closed: send requests', unit: '/1,000 deltas', limit: 5 },
  { part: 'late', name: 'one late tick -> published, 95th percentile', unit: 'ms', limit: 5_000 },
  { part: 'idle', name: 'calls that work on ticks, candles or values', unit: '/min', limit: 0 },
  { part: 'idle', name: 'SQS messages', unit: '/min', limit: 0 },
];

/** A row an aim and engine: what, aim, engine, figure, whether it was met. */
export function judge(results: readonly EngineResult[]): string[][] {
  return aims.flatMap(aim =>
    results
      .filter(({ engine }) => aim.engine === undefined || aim.engine === engine)
      .flatMap(({ engine, figures }) => {
        const found = figures.find(
          ({ part, name, unit }) => part === aim.part && name === aim.name && unit === aim.unit,
        );
        if (found === undefined) return [];
        const isMet = aim.isAtLeast ? found.value >= aim.limit : found.value <= aim.limit;
        return [
          [
            `${aim.part}: ${aim.name}`,
            `${aim.isAtLeast ? 'at least' : 'at most'} ${aim.limit} ${aim.unit}`,
            engine,
            found.value.toLocaleString('en-US', { maximumFractionDigits: 2 }),
            isMet ? 'met' : 'missed',
          ],
        ];
      }),
  );
}
