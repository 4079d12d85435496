import { ema } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

/** After so many periods what was before weighs less than 1e-9. */
const memory = 15;

export const dema = priceAgainst<'close', { period: number }>(
  {
    kind: 'dema',
    description:
      'Double exponential moving average: an EMA with the lag of its own EMA taken off, and the close against it',
    label: 'DEMA {period}',
    definition:
      'Patrick Mulloy, Smoothing Data with Faster Moving Averages (1994): 2 EMA - EMA of EMA, each seeded with a mean, as DEMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 330, default: 20 }],
    columns: ['close'],
    bars: { least: [{ period: 2, plus: -1 }], window: [{ period: memory }] },
  },
  ({ close }, { period }, origin) => doubleExponential(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function doubleExponential(values: Float64Array, period: number, origin: number): number {
  const once = ema(period);
  const twice = ema(period);
  for (let index = Math.max(0, values.length - memory * period); index < values.length; index++) {
    twice.next(once.next((values[index] ?? Number.NaN) - origin));
  }
  return 2 * once.mean - twice.mean;
}
