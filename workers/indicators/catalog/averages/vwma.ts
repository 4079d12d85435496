import type { Columns } from '../../kind.ts';
import { priceAgainst } from './price_against.ts';

export const vwma = priceAgainst<'close' | 'volume' | 'tick_count', { period: number }>(
  {
    kind: 'vwma',
    description:
      'Volume-weighted moving average: closes weigh by the size that was traded, and the close against it; where no tick in the window has a size, they weigh by the number of ticks',
    label: 'VWMA {period}',
    definition: 'Sum of close times volume over the sum of volume of the last candles',
    parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 20 }],
    columns: ['close', 'volume', 'tick_count'],
    bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  },
  (columns, { period }, origin) => volumeWeighted(columns, period, origin),
);

/** The newest average, as a distance from the origin; a candle without a size among others that have one weighs nothing. */
export function volumeWeighted(
  { close, volume, tick_count }: Columns<'close' | 'volume' | 'tick_count'>,
  period: number,
  origin: number,
): number {
  const from = close.length - period;
  let hasSize = false;
  for (let index = from; index < volume.length && !hasSize; index++) {
    hasSize = (volume[index] ?? Number.NaN) > 0;
  }
  let total = 0;
  let sum = 0;
  const weights = hasSize ? volume : tick_count;
  for (let index = from; index < close.length; index++) {
    const weight = weights[index] ?? Number.NaN;
    if (!(weight > 0)) continue;
    total += weight;
    sum += weight * ((close[index] ?? Number.NaN) - origin);
  }
  return sum / total;
}
