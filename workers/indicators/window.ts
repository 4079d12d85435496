import type { ColumnName, Columns } from './kind.ts';
import { typicalPrice } from './smoothing.ts';

/** The candles of one series as columns that all its windows share, oldest first. */
export interface Series {
  /** Left edges, UTC, as the database prints them. */
  readonly buckets: readonly string[];
  readonly columns: Columns;
}

/** Those that are read; `start` is told by the buckets, `typical` by three of these. */
export const storedColumns = [
  'open',
  'high',
  'low',
  'close',
  'average',
  'volume',
  'tick_count',
  'spread',
] as const satisfies readonly ColumnName[];
export type StoredColumns = Pick<Columns, (typeof storedColumns)[number]>;

/** A candle of one side, as the database and the messages have it. */
export interface Candle {
  readonly bucket: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly sum: number;
  /** Null when no tick had a size. */
  readonly volume: number | null;
  readonly tick_count: number;
  /** The last ask less the last bid; null where the side is not mid. */
  readonly spread: number | null;
}

export function seriesOf(candles: readonly Candle[]): Series {
  const column = (number: (candle: Candle) => number) => Float64Array.from(candles, number);
  return seriesWith(
    candles.map(candle => candle.bucket),
    {
      open: column(candle => candle.open),
      high: column(candle => candle.high),
      low: column(candle => candle.low),
      close: column(candle => candle.close),
      average: column(candle => candle.sum / candle.tick_count),
      volume: column(candle => candle.volume ?? Number.NaN),
      tick_count: column(candle => candle.tick_count),
      spread: column(candle => candle.spread ?? Number.NaN),
    },
  );
}

/** Candles of a series as the database's functions have them, oldest first; each null when there are none. */
export interface CandleColumns {
  readonly buckets: readonly string[] | null;
  readonly opens: readonly number[] | null;
  readonly highs: readonly number[] | null;
  readonly lows: readonly number[] | null;
  readonly closes: readonly number[] | null;
  readonly sums: readonly number[] | null;
  readonly volumes: readonly (number | null)[] | null;
  readonly tick_counts: readonly string[] | null;
  readonly spreads: readonly (number | null)[] | null;
}

export function seriesFrom(candles: CandleColumns): Series {
  const numbers = (column: readonly (number | string | null)[] | null) =>
    Float64Array.from(column ?? [], number => (number === null ? Number.NaN : Number(number)));
  const average = numbers(candles.sums);
  const tickCount = numbers(candles.tick_counts);
  for (let index = 0; index < average.length; index++) {
    average[index] = (average[index] ?? Number.NaN) / (tickCount[index] ?? Number.NaN);
  }
  return seriesWith(candles.buckets ?? [], {
    open: numbers(candles.opens),
    high: numbers(candles.highs),
    low: numbers(candles.lows),
    close: numbers(candles.closes),
    average,
    volume: numbers(candles.volumes),
    tick_count: tickCount,
    spread: numbers(candles.spreads),
  });
}

/** Adds `start` and `typical`, which are made only when a kind asks for them: few do. */
export function seriesWith(buckets: readonly string[], columns: StoredColumns): Series {
  const { high, low, close } = columns;
  let start: Float64Array | undefined;
  let typical: Float64Array | undefined;
  return {
    buckets,
    columns: {
      ...columns,
      get start() {
        start ??= Float64Array.from(buckets, bucket => instantOf(bucket) / 1_000);
        return start;
      },
      get typical() {
        typical ??= close.map((_, index) => typicalPrice(high, low, close, index));
        return typical;
      },
    },
  };
}

/** The database writes `2026-01-01 00:00:00+00`. */
const instantOf = (bucket: string): number =>
  Date.parse(bucket.replace(' ', 'T').replace(/\+00$/, 'Z'));

/** The declared columns of the candles from one place to before another; nothing is copied. */
export function windowOf(
  { columns }: Series,
  names: readonly ColumnName[],
  from: number,
  to: number,
): Columns {
  const window: Partial<Record<ColumnName, Float64Array>> = {};
  for (const name of names) window[name] = columns[name].subarray(from, to);
  return window as Columns;
}
