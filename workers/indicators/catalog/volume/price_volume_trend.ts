import type { Kind, Verdict } from '../../kind.ts';
import { shareOf, sizeAt, sizesOf } from '../../sizes.ts';

/** Price Volume Trend: volume times by how much the price moved. */
export const priceVolumeTrend: Kind<'close' | 'volume' | 'tick_count', { period: number }> = {
  kind: 'price_volume_trend',
  description:
    'Price Volume Trend, its change over the last bars: volume times the relative move of the close, also as a part of what it were had all moves gone one way; the number of ticks where no bar of the window has a size',
  rule: 'Bullish when moves up outweigh those down by volume, bearish when those down do, neutral when equal. The strength is the change as a part of what it were had all moves gone one way.',
  label: 'PVT {period}',
  definition:
    'Sum of volume times (close − close before) / close before. The level depends on where one begins and means nothing, so the value is its change over the last bars',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 4_999, default: 20 }],
  columns: ['close', 'volume', 'tick_count'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'change', unit: 'count', pane: 'own', thresholds: [0] },
    { name: 'share', unit: 'ratio', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  needsPositive: true,
  defaults: [],
  compute({ close, volume, tick_count }) {
    const sizes = sizesOf(volume, tick_count, 1);
    let sum = 0;
    let possible = 0;
    for (let index = 1; index < close.length; index++) {
      const before = close[index - 1] ?? Number.NaN;
      const flow = (sizeAt(sizes, index) * ((close[index] ?? Number.NaN) - before)) / before;
      sum += flow;
      possible += Math.abs(flow);
    }
    const share = shareOf(sum, possible);
    // Nothing moved, or nothing was traded: no way to go.
    if (sum === 0) return { outputs: [0, 0], verdict: 0, strength: 0 };
    return { outputs: [sum, share], verdict: Math.sign(share) as Verdict, strength: share };
  },
};
