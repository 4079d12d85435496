import type { Columns } from './kind.ts';

// What the kinds that weigh by volume are made of.

type SizedPrice = 'high' | 'low' | 'close' | 'volume' | 'tick_count';

/** Below this part of all that could have flowed, a difference is rounding: prices hardly differ in their first digits. */
const rounding = 1e-9;

/**
 * The column that says what the bars from one place on weigh, for `sizeAt`: the size of their trades; the number of
 * their ticks where none of them has a size, as of quotes.
 */
export function sizesOf(volume: Float64Array, tickCount: Float64Array, from = 0): Float64Array {
  for (let index = from; index < volume.length; index++) {
    if (!Number.isNaN(volume[index])) return volume;
  }
  return tickCount;
}

/** What a bar weighs: 0 where it has no size. */
export function sizeAt(sizes: Float64Array, index: number): number {
  return sizes[index] || 0;
}

/** What part a sum of flows is of all that could have flowed, from -1 to 1; NaN where nothing could. */
export function shareOf(sum: number, possible: number): number {
  const share = Math.max(-1, Math.min(1, sum / possible));
  return Math.abs(share) <= rounding ? 0 : share;
}

/**
 * Chaikin's money flow: what each bar from one place on weighs, times where in its range it closed, summed; and the
 * sum as a part of all that they weigh.
 */
export function moneyFlow(
  { high, low, close, volume, tick_count }: Columns<SizedPrice>,
  from: number,
): { sum: number; share: number } {
  const sizes = sizesOf(volume, tick_count, from);
  let sum = 0;
  let total = 0;
  for (let index = from; index < close.length; index++) {
    const size = sizeAt(sizes, index);
    sum += size * closeLocation(high, low, close, index);
    total += size;
  }
  return { sum, share: shareOf(sum, total) };
}

/** Where in its range a bar closed, from -1 at the low to 1 at the high; 0 of a bar without a range. */
function closeLocation(
  high: Float64Array,
  low: Float64Array,
  close: Float64Array,
  index: number,
): number {
  const top = high[index] ?? Number.NaN;
  const bottom = low[index] ?? Number.NaN;
  const price = close[index] ?? Number.NaN;
  return top === bottom ? 0 : (price - bottom - (top - price)) / (top - bottom);
}
