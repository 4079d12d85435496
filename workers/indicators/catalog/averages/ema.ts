import { mean } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

/** After so many periods what was before weighs less than 1e-9. */
const memory = 12;

export const ema = priceAgainst<'close', { period: number }>(
  {
    kind: 'ema',
    description: 'Exponential moving average: newer closes weigh more, and the close against it',
    label: 'EMA {period}',
    definition:
      'Weight 2 / (period + 1), seeded with the mean of the first closes, as EMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 400, default: 20 }],
    columns: ['close'],
    bars: { least: [{ period: 1 }], window: [{ period: memory }] },
  },
  ({ close }, { period }, origin) => exponential(close, period, origin),
);

/**
 * The newest average, as a distance from the origin: each close weighs as much less than the one after it as an average
 * keeps of itself, and the seed what is left.
 */
export function exponential(values: Float64Array, period: number, origin: number): number {
  const first = Math.max(0, values.length - memory * period);
  const part = 2 / (period + 1);
  let average = 0;
  let weight = 1;
  for (let index = values.length - 1; index >= first + period; index--) {
    average += weight * ((values[index] ?? Number.NaN) - origin);
    weight *= 1 - part;
  }
  return part * average + weight * mean(values, first, first + period, origin);
}
