import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { sizesOf } from '../../sizes.ts';
import { highest, last, lowest } from '../../smoothing.ts';

/** Below this part of the price, the distance of the close is rounding. */
const rounding = 1e-12;

/** Rolling VWAP: the average price of the last bars, each weighing by what was traded in it. */
export const rollingVwap: Kind<
  'high' | 'low' | 'close' | 'volume' | 'tick_count',
  { period: number }
> = {
  kind: 'rolling_vwap',
  description:
    'Rolling VWAP: the average of the typical prices of the last bars by volume, and how far the close is from it; by the number of ticks where no bar of the window has a size',
  rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the range of the window.',
  label: 'VWAP {period}',
  definition:
    'Volume-weighted average price over a fixed number of bars: typical price (high + low + close) / 3 times volume, summed and divided by the volume',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 5_000, default: 20 }],
  columns: ['high', 'low', 'close', 'volume', 'tick_count'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'vwap', unit: 'price', pane: 'price' },
    { name: 'distance', unit: 'percent', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close, volume, tick_count }, { period }) {
    // As an offset from the newest close, so that equal prices average to exactly that price.
    const origin = last(close);
    let sum = 0;
    let total = 0;
    for (const [index, size] of sizesOf(volume, tick_count).entries()) {
      const top = (high[index] ?? Number.NaN) - origin;
      const bottom = (low[index] ?? Number.NaN) - origin;
      sum += (size * (top + bottom + ((close[index] ?? Number.NaN) - origin))) / 3;
      total += size;
    }
    const offset = sum / total;
    const vwap = origin + offset;
    const isApart = Math.abs(offset) > rounding * Math.abs(origin);
    const verdict = !isApart ? neutral : offset < 0 ? bullish : bearish;
    const share = -offset / (last(highest(high, period)) - last(lowest(low, period)));
    return {
      outputs: [vwap, (-100 * offset) / vwap],
      verdict,
      strength: verdict === neutral ? 0 : Math.max(-1, Math.min(1, share)),
    };
  },
};
