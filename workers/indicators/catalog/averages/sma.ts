import { mean } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

export const sma = priceAgainst<'close', { period: number }>(
  {
    kind: 'sma',
    description:
      'Simple moving average: the arithmetic mean of the last closes, and the close against it',
    label: 'SMA {period}',
    definition: 'Arithmetic mean of the last closes, as SMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 20 }],
    columns: ['close'],
    bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  },
  ({ close }, { period }, origin) => simple(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function simple(values: Float64Array, period: number, origin: number): number {
  return mean(values, values.length - period, values.length, origin);
}
