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
  /** How far the closes went in the period, to and fro. */
  let path = 0;
  for (let index = 1; index < period; index++) {
    path += Math.abs((close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN));
  }
  /** For how many bars they have not moved. */
  let still = 0;
  for (let index = period; index < close.length; index++) {
    const price = close[index] ?? Number.NaN;
    const oldest = close[index - period] ?? Number.NaN;
    const move = Math.abs(price - (close[index - 1] ?? Number.NaN));
    path += move;
    // What the sum keeps of moves that have left it is rounding.
    still = move === 0 ? still + 1 : 0;
    if (still >= period) path = 0;
    const way = Math.abs(price - oldest);
    const efficiency = way >= path ? 1 : way / path;
    average += (efficiency * (fastest - slowest) + slowest) ** 2 * (price - origin - average);
    path -= Math.abs((close[index - period + 1] ?? Number.NaN) - oldest);
  }
  return average;
}
