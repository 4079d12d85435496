import { ema as exponentialMean } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

export const ema = priceAgainst<'close', { period: number }>(
  {
    kind: 'ema',
    description: 'Exponential moving average: newer closes weigh more, and the close against it',
    label: 'EMA {period}',
    definition:
      'Weight 2 / (period + 1), seeded with the mean of the first closes, as EMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 400, default: 20 }],
    columns: ['close'],
    // After 12 periods the seed weighs less than 1e-9.
    bars: { least: [{ period: 1 }], window: [{ period: 12 }] },
  },
  ({ close }, { period }, origin) => exponential(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function exponential(values: Float64Array, period: number, origin: number): number {
  const average = exponentialMean(period);
  for (let index = 0; index < values.length; index++) {
    average.next((values[index] ?? Number.NaN) - origin);
  }
  return average.mean;
}
