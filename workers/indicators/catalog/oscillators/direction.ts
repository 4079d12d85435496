import { bearish, bullish, neutral, type Verdict } from '../../kind.ts';

/** Values from 0 to 100 that differ by less are the same: what is far back in a window, and rounding, make as much. */
export const sameRatio = 1e-7;

/** Numbers made from prices of this size, in the same way. */
export const samePrice = (price: number): number => 1e-12 * Math.abs(price);

/** Where a number lies from another, or went from it; neutral when one of them is missing. */
export function direction(now: number, from: number, same: number): Verdict {
  const distance = now - from;
  return distance > same ? bullish : distance < -same ? bearish : neutral;
}
