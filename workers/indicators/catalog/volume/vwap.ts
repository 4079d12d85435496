import { bearish, bullish, type Columns, neutral, type Reading } from '../../kind.ts';
import { sizeAt, sizesOf } from '../../sizes.ts';
import { last } from '../../smoothing.ts';

/** Below this part of the price, the distance of the close is rounding. */
const rounding = 1e-12;

/**
 * Average of the typical prices by volume, and how far the newest close is from it.
 *
 * @param from The first bar that counts.
 */
export function vwapOf(
  {
    high,
    low,
    close,
    volume,
    tick_count,
  }: Columns<'high' | 'low' | 'close' | 'volume' | 'tick_count'>,
  from = 0,
): Reading {
  // As an offset from the newest close, so that equal prices average to exactly that price.
  const origin = last(close);
  let sum = 0;
  let total = 0;
  let highest = Number.NEGATIVE_INFINITY;
  let lowest = Number.POSITIVE_INFINITY;
  const sizes = sizesOf(volume, tick_count, from);
  for (let index = from; index < close.length; index++) {
    const size = sizeAt(sizes, index);
    const top = high[index] ?? Number.NaN;
    const bottom = low[index] ?? Number.NaN;
    const middle = (close[index] ?? Number.NaN) - origin;
    sum += (size * (top - origin + (bottom - origin) + middle)) / 3;
    total += size;
    highest = Math.max(highest, top);
    lowest = Math.min(lowest, bottom);
  }
  const offset = sum / total;
  const vwap = origin + offset;
  const isApart = Math.abs(offset) > rounding * Math.abs(origin);
  const verdict = !isApart ? neutral : offset < 0 ? bullish : bearish;
  const share = -offset / (highest - lowest);
  return {
    outputs: [vwap, (-100 * offset) / vwap],
    verdict,
    strength: verdict === neutral ? 0 : Math.max(-1, Math.min(1, share)),
  };
}
