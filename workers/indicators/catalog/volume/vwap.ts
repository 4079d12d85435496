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
    typical,
    volume,
    tick_count,
  }: Columns<'high' | 'low' | 'close' | 'typical' | 'volume' | 'tick_count'>,
  from = 0,
): Reading {
  // As an offset from the newest close, so that equal prices average to exactly that price.
  const origin = last(close);
  const sizes = sizesOf(volume, tick_count, from);
  let sum = 0;
  // A sum that begins with 0 and has only whole sizes would be one of integers to the engine, which checks each of them.
  let total = -0;
  let farthest = Math.max(last(high) - origin, origin - last(low));
  const end = typical.length;
  for (let index = from; index < end; index++) {
    const size = sizeAt(sizes, index);
    const distance = (typical[index] ?? Number.NaN) - origin;
    sum += size * distance;
    total += size;
    if (Math.abs(distance) > farthest) farthest = Math.abs(distance);
  }
  const offset = sum / total;
  const vwap = origin + offset;
  const isApart = Math.abs(offset) > rounding * Math.abs(origin);
  const verdict = !isApart ? neutral : offset < 0 ? bullish : bearish;
  const share = -offset / farthest;
  return {
    outputs: [vwap, (-100 * offset) / vwap],
    verdict,
    strength: verdict === neutral ? 0 : Math.max(-1, Math.min(1, share)),
  };
}
