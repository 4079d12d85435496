import type { Tick } from '../../workers/ingest/source.ts';

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
  readonly spread: number | null;
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
      spread: side === 'mid' ? lastOf(own, 'ask') - lastOf(own, 'bid') : null,
    });
  }
  return candles;
}

/** The same as they are published and shown: what is computed, to 15 significant digits. */
export function toldCandles(
  ticks: readonly Tick[],
  symbol: string,
  timeframe: string,
  side: Side,
): OracleCandle[] {
  return oracleCandles(ticks, symbol, timeframe, side).map(candle => toldCandle(candle, side));
}

export function toldCandle(candle: OracleCandle, side: string): OracleCandle {
  const told = (price: number) => (side === 'mid' ? Number(price.toPrecision(15)) : price);
  return {
    ...candle,
    open: told(candle.open),
    high: told(candle.high),
    low: told(candle.low),
    close: told(candle.close),
  };
}

/** Days that end at 17:00 in New York, put together from the hours; they begin at whole ones. */
export function oracleDays(ticks: readonly Tick[], symbol: string, side: Side) {
  const hours = toldCandles(ticks, symbol, '1h', side);
  return [...Map.groupBy(hours, ({ bucket }) => tradingDate(bucket))].map(
    ([trading_date, own]) => ({
      trading_date,
      open: own[0]?.open,
      high: Math.max(...own.map(({ high }) => high)),
      low: Math.min(...own.map(({ low }) => low)),
      close: own.at(-1)?.close,
      tick_count: own.reduce((sum, { tick_count }) => sum + tick_count, 0),
    }),
  );
}

/** The date of a time's day by the calendar of JavaScript's own time zone data. */
function tradingDate(time: string): string {
  const inNewYork = new Intl.DateTimeFormat('en-CA', {
    timeZone: 'America/New_York',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(time));
  const part = (type: string): number =>
    Number(inNewYork.find(each => each.type === type)?.value ?? Number.NaN);
  const day = part('day') + (part('hour') >= 17 ? 1 : 0);
  return new Date(Date.UTC(part('year'), part('month') - 1, day)).toISOString().slice(0, 10);
}

/** Every ten minutes from a time on, until before another: a candle, else the close before. */
export function oracleFilled(
  ticks: readonly Tick[],
  symbol: string,
  side: Side,
  [from, to]: readonly [string, string],
) {
  const candles = toldCandles(ticks, symbol, '10m', side);
  const byBucket = new Map(candles.map(candle => [candle.bucket, candle]));
  const filled = [];
  let close: number | undefined;
  for (let at = Date.parse(from); at < Date.parse(to); at += 600_000) {
    const bucket = new Date(at).toISOString();
    const candle = byBucket.get(bucket);
    close = candle?.close ?? close;
    if (close === undefined) continue;
    const tick_count = candle?.tick_count ?? 0;
    filled.push({ bucket, close, tick_count, is_filled: candle === undefined });
  }
  return filled;
}

/** The ticks that should be stored: the first of each key, and of those without an id of each content and copy. */
export function distinctTicks(ticks: readonly Tick[]): Tick[] {
  const byKey = new Map<string, Tick>();
  for (const tick of ticks) {
    const { bid, ask, last, size, copy = 1 } = tick;
    const own = tick.seq ?? [bid, ask, last, size, copy].join();
    const key = `${tick.symbol} ${microseconds(tick.observedAt)} ${own}`;
    if (!byKey.has(key)) byKey.set(key, tick);
  }
  return [...byKey.values()];
}

function priceOf(tick: Tick, side: Side): number | null {
  if (side !== 'mid') return tick[side];
  return tick.bid === null || tick.ask === null ? null : (tick.bid + tick.ask) / 2;
}

const lastOf = (ticks: readonly Tick[], side: 'bid' | 'ask'): number =>
  ticks.findLast(tick => tick[side] !== null)?.[side] ?? Number.NaN;

function byTimeAndSeq(a: Tick, b: Tick): number {
  const difference = microseconds(a.observedAt) - microseconds(b.observedAt);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  // Those without an id come first, in the order in which they came.
  const behind = BigInt(a.seq ?? -1) - BigInt(b.seq ?? -1);
  return behind === 0n ? 0 : behind < 0n ? -1 : 1;
}

/** Microseconds since 1970 of `2026-01-01T00:00:00.123456Z`. */
export function microseconds(observedAt: string): bigint {
  const [, whole = '', fraction = ''] = /^(.{19})(?:\.(\d{1,6}))?Z$/.exec(observedAt) ?? [];
  return BigInt(Date.parse(`${whole}Z`)) * 1_000n + BigInt(fraction.padEnd(6, '0') || '0');
}
