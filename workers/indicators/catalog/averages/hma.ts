import { weightedMean } from '../../smoothing.ts';
import { priceAgainst } from './price_against.ts';

// The square root of the period is at most period / 16 + 4.
const bars = [{ period: 1.0625, plus: 3 }];

export const hma = priceAgainst<'close', { period: number }>(
  {
    kind: 'hma',
    description: 'Hull moving average: smooth with little lag, and the close against it',
    label: 'HMA {period}',
    definition:
      'Alan Hull (2005): WMA over the root of the period of 2 WMA(period / 2) - WMA(period); half and root are rounded down',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 400, default: 9 }],
    columns: ['close'],
    bars: { least: bars, window: bars },
  },
  ({ close }, { period }, origin) => hull(close, period, origin),
);

/** The newest average, as a distance from the origin. */
export function hull(values: Float64Array, period: number, origin: number): number {
  const half = Math.floor(period / 2);
  const root = Math.floor(Math.sqrt(period));
  let sum = 0;
  for (let weight = 1; weight <= root; weight++) {
    const to = values.length - root + weight;
    const slow = weightedMean(values, to - period, to, origin);
    sum += weight * (2 * weightedMean(values, to - half, to, origin) - slow);
  }
  return sum / ((root * (root + 1)) / 2);
}
