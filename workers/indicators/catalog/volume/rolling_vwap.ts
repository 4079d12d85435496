import type { Kind } from '../../kind.ts';
import { vwapOf } from './vwap.ts';

/** Rolling VWAP: the average price of the last bars, each weighing by what was traded in it. */
export const rollingVwap: Kind<
  'high' | 'low' | 'close' | 'typical' | 'volume' | 'tick_count',
  { period: number }
> = {
  kind: 'rolling_vwap',
  description:
    'Rolling VWAP: the average of the typical prices of the last bars by volume, and how far the close is from it; by the number of ticks where no bar of the window has a size',
  rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the farthest one from the close, of these typical prices and of the newest high and low.',
  label: 'VWAP {period}',
  definition:
    'Volume-weighted average price over a fixed number of bars: typical price (high + low + close) / 3 times volume, summed and divided by the volume',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 5_000, default: 20 }],
  columns: ['high', 'low', 'close', 'typical', 'volume', 'tick_count'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'vwap', unit: 'price', pane: 'price' },
    { name: 'distance', unit: 'percent', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute: columns => vwapOf(columns),
};
