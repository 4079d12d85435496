import { priceAgainst } from './price_against.ts';

const fastest = 2 / (2 + 1);
const slowest = 2 / (30 + 1);

export const kama = priceAgainst<'close', { period: number }>(
  {
    kind: 'kama',
    description:
      'Kaufman adaptive moving average: quick while prices go one way, slow while they go to and fro, and the close against it',
    label: 'KAMA {period}',
    definition:
      'Perry Kaufman, Smarter Trading (1995), constants 2 and 30, seeded with the close before the first value, as KAMA of TA-Lib. In a market that goes nowhere for the whole window the seed may weigh up to 2 % at period 10',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 50, default: 10 }],
    columns: ['close'],
    // Prices that go to and fro as by chance make a longer period less efficient, so it forgets more slowly.
    bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 20, plus: 800 }] },
  },
  ({ close }, { period }, origin) => adaptive(close, period, origin),
);

/** The newest average, as a distance from the origin. */
function adaptive(close: Float64Array, period: number, origin: number): number {
  let average = (close[period - 1] ?? Number.NaN) - origin;
  let path = pathOf(close, 0, period);
  /** The longest since the path was summed anew. */
  let longest = path;
  for (let index = period; index < close.length; index++) {
    const price = close[index] ?? Number.NaN;
    const oldest = close[index - period] ?? Number.NaN;
    path += Math.abs(price - (close[index - 1] ?? Number.NaN));
    if (path > longest) longest = path;
    // Of a path that has lost nearly all of its length, too much is rounding.
    if (1_000 * path < longest) {
      path = pathOf(close, index - period, index + 1);
      longest = path;
    }
    const way = Math.abs(price - oldest);
    const efficiency = way >= path ? 1 : way / path;
    average += (efficiency * (fastest - slowest) + slowest) ** 2 * (price - origin - average);
    path -= Math.abs((close[index - period + 1] ?? Number.NaN) - oldest);
  }
  return average;
}

/** How far the closes from one place to before another went, to and fro. */
function pathOf(close: Float64Array, from: number, to: number): number {
  let path = 0;
  for (let index = from + 1; index < to; index++) {
    path += Math.abs((close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN));
  }
  return path;
}
