import type { Kind } from '../../kind.ts';
import { last, whole } from '../../smoothing.ts';
import { weighed } from './price_against.ts';

const fastest = 2 / (2 + 1);
const slowest = 2 / (30 + 1);

/**
 * Closes that weigh less than this together are left out. Where they are within a hundredth of the newest one, that is
 * below the rounding of a price that is no difference.
 */
const forgotten = 1e-10;

/** Kaufman's average: each close moves it by a part that grows with how straight the last closes went. */
export const kama: Kind<'close', { period: number }> = {
  kind: 'kama',
  description:
    'Kaufman adaptive moving average: quick while prices go one way, slow while they go to and fro, and the close against it',
  rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal but for rounding. The strength is their distance as a part of the range of the closes that the average is made of, at most 1: older ones that weigh less than 1e-10 together are left out.',
  label: 'KAMA {period}',
  definition:
    'Perry Kaufman, Smarter Trading (1995), constants 2 and 30, seeded with the close before the first value, as KAMA of TA-Lib. In a market that goes nowhere for the whole window the seed may weigh up to 2 % at period 10',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 50, default: 10 }],
  columns: ['close'],
  // Prices that go to and fro as by chance make a longer period less efficient, so it forgets more slowly.
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 20, plus: 800 }] },
  outputs: [{ name: 'kama', unit: 'price', pane: 'price' }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    const bars = whole(period);
    const newest = close.length - 1;
    // Distances from the newest close, so that equal prices give exactly that price.
    const origin = last(close);
    // From the newest close backwards: each weighs its part of what the newer ones left.
    let average = 0;
    let left = 1;
    let path = pathOf(close, newest - bars, newest + 1);
    /** The longest since the path was summed anew. */
    let longest = path;
    let highest = origin;
    let lowest = origin;
    let after = origin;
    let oldestAfter = close[newest - bars] ?? Number.NaN;
    let index = newest;
    for (; index >= bars && left > forgotten; index--) {
      const price = close[index] ?? Number.NaN;
      const oldest = close[index - bars] ?? Number.NaN;
      path += Math.abs(oldestAfter - oldest) - Math.abs(after - price);
      after = price;
      oldestAfter = oldest;
      if (path > longest) longest = path;
      // Of a path that has lost nearly all of its length, too much is rounding.
      if (1_000 * path < longest) {
        path = pathOf(close, index - bars, index + 1);
        longest = path;
      }
      const way = Math.abs(price - oldest);
      const efficiency = way >= path ? 1 : way / path;
      const part = (efficiency * (fastest - slowest) + slowest) ** 2;
      average += left * part * (price - origin);
      left *= 1 - part;
      if (price > highest) highest = price;
      if (price < lowest) lowest = price;
    }
    const seed = close[index] ?? Number.NaN;
    const distance = -(average + left * (seed - origin));
    const range = Math.max(highest, seed) - Math.min(lowest, seed);
    const reading = weighed(distance, origin, range);
    return reading === null ? null : { outputs: [origin - distance], ...reading };
  },
};

/** How far the closes from one place to before another went, to and fro. */
function pathOf(close: Float64Array, from: number, to: number): number {
  let path = 0;
  for (let index = from + 1; index < to; index++) {
    path += Math.abs((close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN));
  }
  return path;
}
