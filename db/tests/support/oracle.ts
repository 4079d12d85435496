import type { Tick } from '../../../workers/ingest/source.ts';

/**
 * Candles computed from a list of ticks in the plainest way: an independent second opinion that
 * shares no code with the database. Times are counted in whole microseconds.
 */
export interface OracleCandle {
  readonly bucket: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly sum: number;
  readonly volume: number | null;
  readonly tick_count: number;
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
export const sides = ['bid', 'ask', 'mid', 'last'] as const;
export type Side = (typeof sides)[number];

/** @param ticks In any order, duplicates included: a key counts once, with what came first. */
export function oracleCandles(
  ticks: readonly Tick[],
  symbol: string,
  timeframe: string,
  side: Side,
): OracleCandle[] {
  const seconds = Number.parseInt(timeframe, 10) * (unitSeconds[timeframe.at(-1) ?? ''] ?? 0);
  const width = BigInt(seconds) * 1_000_000n;
  const buckets = new Map<bigint, Tick[]>();
  for (const tick of distinctTicks(ticks)) {
    if (tick.symbol !== symbol) continue;
    const time = microseconds(tick.observedAt);
    const bucket = time - (time % width);
    const own = buckets.get(bucket);
    if (own === undefined) buckets.set(bucket, [tick]);
    else own.push(tick);
  }
  const candles: OracleCandle[] = [];
  for (const bucket of [...buckets.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    const own = (buckets.get(bucket) ?? []).sort(byTimeAndSeq);
    const prices = own.map(tick => priceOf(tick, side)).filter(price => price !== null);
    const [open] = prices;
    const close = prices.at(-1);
    if (open === undefined || close === undefined) continue;
    const sizes = own.map(tick => tick.size).filter(size => size !== null);
    candles.push({
      bucket: new Date(Number(bucket / 1_000n)).toISOString(),
      open,
      high: Math.max(...prices),
      low: Math.min(...prices),
      close,
      sum: prices.reduce((total, price) => total + price, 0),
      volume: sizes.length === 0 ? null : sizes.reduce((total, size) => total + size, 0),
      tick_count: prices.length,
    });
  }
  return candles;
}

/** The ticks that should be stored: the first of each key. */
export function distinctTicks(ticks: readonly Tick[]): Tick[] {
  const byKey = new Map<string, Tick>();
  for (const tick of ticks) {
    const key = `${tick.symbol} ${microseconds(tick.observedAt)} ${tick.seq}`;
    if (!byKey.has(key)) byKey.set(key, tick);
  }
  return [...byKey.values()];
}

function priceOf(tick: Tick, side: Side): number | null {
  if (side !== 'mid') return tick[side];
  return tick.bid === null || tick.ask === null ? null : (tick.bid + tick.ask) / 2;
}

function byTimeAndSeq(a: Tick, b: Tick): number {
  const difference = microseconds(a.observedAt) - microseconds(b.observedAt);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return a.seq - b.seq;
}

/** Microseconds since 1970 of `2026-01-01T00:00:00.123456Z`. */
export function microseconds(observedAt: string): bigint {
  const [, whole = '', fraction = ''] = /^(.{19})(?:\.(\d{1,6}))?Z$/.exec(observedAt) ?? [];
  return BigInt(Date.parse(`${whole}Z`)) * 1_000n + BigInt(fraction.padEnd(6, '0') || '0');
}
