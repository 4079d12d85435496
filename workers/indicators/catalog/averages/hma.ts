import { last, wma } from '../../smoothing.ts';
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
  ({ close }, { period }) => hull(close, period),
);

/** The last value. */
export function hull(values: Float64Array, period: number): number {
  const root = Math.floor(Math.sqrt(period));
  const needed = values.subarray(-(period + root - 1));
  const slow = wma(needed, period);
  const fast = wma(needed, Math.floor(period / 2));
  return last(
    wma(
      slow.map((value, index) => 2 * (fast[index] ?? Number.NaN) - value),
      root,
    ),
  );
}
