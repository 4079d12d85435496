import { ema } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

/** After so many periods what was before weighs less than 1e-9. */
const memory = 18;

export const tema = priceAgainst<'close', { period: number }>(
  {
    kind: 'tema',
    description:
      'Triple exponential moving average: an EMA with the lags of its EMA and of that one taken off, and the close against it',
    label: 'TEMA {period}',
    definition:
      'Patrick Mulloy, Smoothing Data with Faster Moving Averages (1994): 3 EMA - 3 EMA of EMA + EMA of that, each seeded with a mean, as TEMA of TA-Lib',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 270, default: 20 }],
    columns: ['close'],
    bars: { least: [{ period: 3, plus: -2 }], window: [{ period: memory }] },
  },
  ({ close }, { period }, origin) => tripleExponential(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function tripleExponential(values: Float64Array, period: number, origin: number): number {
  const once = ema(period);
  const twice = ema(period);
  const thrice = ema(period);
  for (let index = Math.max(0, values.length - memory * period); index < values.length; index++) {
    thrice.next(twice.next(once.next((values[index] ?? Number.NaN) - origin)));
  }
  return 3 * once.mean - 3 * twice.mean + thrice.mean;
}
