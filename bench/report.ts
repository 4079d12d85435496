import { judge } from './aims.ts';

/** One number of one engine. */
export interface Figure {
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  /** NaN when there was nothing to measure. */
  readonly value: number;
  /** What the value was made from, where that is a few numbers. */
  readonly samples?: readonly number[];
}

export interface EngineResult {
  readonly engine: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
  /** One-minute load averages of the machine before and after. */
  readonly load: readonly [number, number];
}

/** The middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The nearest-rank percentile, `fraction` from 0 to 1; NaN of nothing. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

export const notes = [
  'ingest: one connection; every call is one durable commit; ticks are new, in the past hour, 20 instruments in turn; times 1 a call compares with one-row calls. bare COPY: same columns and key, no checks, no triggers; its text is made before the clock starts, what record_ticks sends is made while it runs.',
  'latency: from when a tick was due (not when it was sent) until a subscriber in another process has the message with it, and to computed_at of the first value seen whose fast = 1 line is that tick or a later one of its instrument. Values are sampled at every NOTIFY dashboard; one that was overwritten before it was read is missed, and its ticks count with the next: against us. due -> tick stored is received_at of the ticks.',
  'functions: pg_stat_user_functions during the load: where the time goes (counters up to a second old).',
  'history: one tick an instrument each 20 seconds over 2 hours and over the longer time, then 1,000 ticks a second.',
  'publish: counted by an HTTP proxy before the emulator; deltas are outbox.subscriptions.sent_count. The window beside it: every series sends its last 100 candles each minute, at the same bytes a candle.',
  'late: an hour of ticks of 26 hours ago in batches of 5,000, with a subscriber to everything; single ticks at odd moments.',
  'idle: publish, indicators and web, no ingest, history and subscriptions there.',
  'storage: ticks of one closed day, quotes only (no last, no size).',
  'Everything (database, queue, workers, load, subscriber, sampler) shares this machine.',
];

/** A line a figure, a column an engine, as cells; the first line is the header. */
function toRows(results: readonly EngineResult[]): string[][] {
  const key = (figure: Figure): string => `${figure.part}\t${figure.name}\t${figure.unit}`;
  const keys = new Set(results.flatMap(result => result.figures.map(key)));
  const rows = [...keys].map(each => [
    ...each.split('\t'),
    ...results.map(result => {
      const found = result.figures.find(figure => key(figure) === each);
      return found === undefined ? '-' : formatNumber(found.value);
    }),
  ]);
  return [['part', 'what', 'unit', ...results.map(result => result.engine)], ...rows];
}

const settingsOf = ({ engine, settings, load }: EngineResult): string =>
  `${engine}: ${Object.entries(settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}; load ${load.map(value => value.toFixed(1)).join(' to ')}`;

/** Everything in one table for a terminal. */
export function formatTable(results: readonly EngineResult[]): string {
  const [header = [], ...rows] = toRows(results);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map(row => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map(width => '-'.repeat(width));
  const judged = judge(results).map(
    ([what, aim, engine, value, verdict]) => `${verdict}: ${engine}, ${what}: ${value} (${aim})`,
  );
  return [
    ...[header, rule, ...rows].map(line),
    '',
    ...judged,
    '',
    ...results.map(settingsOf),
    '',
    ...notes,
  ].join('\n');
}

/** The report that is kept in `docs/`. */
export function formatMarkdown(
  results: readonly EngineResult[],
  { machine, command, startedAt }: { machine: string; command: string; startedAt: string },
): string {
  const table = ([header = [], ...rows]: readonly string[][], leftColumns: number): string =>
    [header, header.map((_, column) => (column < leftColumns ? '---' : '--:')), ...rows]
      .map(cells => `| ${cells.join(' | ')} |`)
      .join('\n');
  return `# Benchmark

Written by \`${command}\` on ${startedAt.slice(0, 10)}; both engines in one run on one machine.

${machine}

${results.map(result => `- ${settingsOf(result)}`).join('\n')}

## Aims

${table([['what', 'aim', 'engine', 'figure', ''], ...judge(results)], 5)}

## Figures

${table(toRows(results), 3)}

## How it was measured

${notes.map(note => `- ${note}`).join('\n')}
`;
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '?';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
