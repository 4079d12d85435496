import { weightedMean } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

export const wma = priceAgainst<'close', { period: number }>(
  {
    kind: 'wma',
    description:
      'Weighted moving average: the weights of the closes grow evenly to the newest, and the close against it',
    label: 'WMA {period}',
    definition: 'Weights 1, 2, ... up to the period for the newest close, as WMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 20 }],
    columns: ['close'],
    bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  },
  ({ close }, { period }, origin) => weighted(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function weighted(values: Float64Array, period: number, origin: number): number {
  return weightedMean(values, values.length - period, values.length, origin);
}
