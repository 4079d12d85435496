import { type Kind, neutral, type Verdict } from '../../kind.ts';
import { moneyFlow } from '../../sizes.ts';
import { last } from '../../smoothing.ts';

/** Accumulation/Distribution: volume that closed near the highs less that near the lows, beside what the price did. */
export const accumulationDistribution: Kind<
  'high' | 'low' | 'close' | 'volume' | 'tick_count',
  { period: number }
> = {
  kind: 'accumulation_distribution',
  description:
    'Accumulation/Distribution line, its change over the last bars: volume times where in its range each bar closed, also as a part of all volume; the number of ticks where no bar of the window has a size',
  rule: 'Bullish when the line rose over the period while the close did not, bearish when the line fell while the close did not, else neutral. The strength is the change as a part of all volume.',
  label: 'A/D {period}',
  definition:
    'M. Chaikin, as in TA-Lib’s AD: a bar without a range counts as 0. The level depends on where one begins and means nothing, so the value is its change over the last bars; the verdict is its divergence from the price',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 4_999, default: 20 }],
  columns: ['high', 'low', 'close', 'volume', 'tick_count'],
  // One more, for the close that the price is compared with.
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'change', unit: 'count', pane: 'own', thresholds: [0] },
    { name: 'share', unit: 'ratio', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute(columns, { period }) {
    const { sum, share } = moneyFlow(columns, 1);
    const move = last(columns.close) - last(columns.close, period);
    if (Number.isNaN(move)) return null;
    const verdict = share * move > 0 ? neutral : (Math.sign(share) as Verdict);
    return { outputs: [sum, share], verdict, strength: verdict === neutral ? 0 : share };
  },
};
