import type { Kind, Verdict } from '../../kind.ts';
import { shareOf, sizeAt, sizesOf } from '../../sizes.ts';

/** On-Balance Volume: volume of the bars that rose less that of the bars that fell. */
export const obv: Kind<'close' | 'volume' | 'tick_count', { period: number }> = {
  kind: 'obv',
  description:
    'On-Balance Volume, its change over the last bars: volume of the bars that closed higher less that of those that closed lower, also as a part of all of it; the number of ticks where no bar of the window has a size',
  rule: 'Bullish when more volume was on rising bars than on falling ones, bearish when less, neutral when equal. The strength is the difference as a part of all volume.',
  label: 'OBV {period}',
  definition:
    'J. Granville, New Key to Stock Market Profits (1963). The level depends on where one begins and means nothing, so the value is its change over the last bars',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 4_999, default: 20 }],
  columns: ['close', 'volume', 'tick_count'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'change', unit: 'count', pane: 'own', thresholds: [0] },
    { name: 'share', unit: 'ratio', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ close, volume, tick_count }) {
    const sizes = sizesOf(volume, tick_count, 1);
    let sum = 0;
    let total = 0;
    for (let index = 1; index < close.length; index++) {
      const size = sizeAt(sizes, index);
      sum += size * Math.sign((close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN));
      total += size;
    }
    const share = shareOf(sum, total);
    return { outputs: [sum, share], verdict: Math.sign(share) as Verdict, strength: share };
  },
};
