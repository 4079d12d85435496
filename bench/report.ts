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

const notes = [
  'ingest: one connection; every call is one durable commit; ticks are new, in the past hour, 20 instruments in',
  '  turn; times 1 a call compares with one-row calls. bare COPY: same columns and key, no checks, no triggers.',
  'latency: from when a tick was due (not when it was sent) to computed_at of the first value seen whose',
  '  fast = 1 line is that tick or a later one of its instrument. Values are sampled: at every NOTIFY dashboard',
  '  the newest are read. One that was overwritten before it was read is missed, and its ticks count with the',
  '  next: against us. computed_at is before the commit; "seen" is when the reader had it, after the commit.',
  '  due -> tick stored is received_at of the ticks, before the commit.',
  'functions: pg_stat_user_functions during the load: where the time goes (counters up to a second old).',
  'publish: counted by an HTTP proxy before the emulator (it costs the pipeline some latency too); deltas are',
  '  outbox.subscriptions.sent_count. Other requests: receive, delete and look-ups of the indicators process.',
  'storage: feed.ticks with its key, ticks of one closed day, quotes only (no last, no size), no candles.',
  'Everything (database, queue, workers, load, sampler) shares this machine.',
];

/** Everything in one table: a line a figure, a column an engine. */
export function formatTable(results: readonly EngineResult[]): string {
  const key = (figure: Figure): string => `${figure.part}\t${figure.name}\t${figure.unit}`;
  const keys = new Set(results.flatMap(result => result.figures.map(key)));
  const rows = [...keys].map(each => [
    ...each.split('\t'),
    ...results.map(result => {
      const found = result.figures.find(figure => key(figure) === each);
      return found === undefined ? '-' : formatNumber(found.value);
    }),
  ]);
  const header = ['part', 'what', 'unit', ...results.map(result => result.engine)];
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
  const settings = results.map(
    ({ engine, settings: values, load }) =>
      `${engine}: ${Object.entries(values)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}; load ${load.map(value => value.toFixed(1)).join(' to ')}`,
  );
  const rule = widths.map(width => '-'.repeat(width));
  return [line(header), line(rule), ...rows.map(line), '', ...settings, '', ...notes].join('\n');
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '?';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
