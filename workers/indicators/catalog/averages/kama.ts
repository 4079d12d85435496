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
  ({ close }, { period }) => adaptive(close, period),
);

function adaptive(close: Float64Array, period: number): number {
  const at = (index: number): number => close[index] ?? Number.NaN;
  const moves = close.map((value, index) => Math.abs(value - at(index - 1)));
  let average = at(period - 1);
  for (let index = period; index < close.length; index++) {
    let path = 0;
    for (let step = index - period + 1; step <= index; step++) path += moves[step] ?? Number.NaN;
    const efficiency = path === 0 ? 1 : Math.abs(at(index) - at(index - period)) / path;
    average += (efficiency * (fastest - slowest) + slowest) ** 2 * (at(index) - average);
  }
  return average;
}
