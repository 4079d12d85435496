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
  const at = (index: number): number => (close[index] ?? Number.NaN) - origin;
  let average = Number.NaN;
  /** How far the closes of the period went, to and fro. */
  let path = 0;
  /** How many bars ago they last moved. */
  let still = 0;
  for (let index = 1; index < close.length; index++) {
    const move = Math.abs(at(index) - at(index - 1));
    path += move;
    if (index > period) path -= Math.abs(at(index - period) - at(index - period - 1));
    // What a sum that is carried along keeps of moves that have left it is rounding.
    still = move === 0 ? still + 1 : 0;
    if (still >= period) path = 0;
    if (index < period) {
      average = at(index);
      continue;
    }
    const way = Math.abs(at(index) - at(index - period));
    const efficiency = way >= path ? 1 : way / path;
    average += (efficiency * (fastest - slowest) + slowest) ** 2 * (at(index) - average);
  }
  return average;
}
