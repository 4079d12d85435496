import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { deviation, last, mean } from '../../smoothing.ts';

const far = 2;

/** Z-score: how many deviations the close is from its average. */
export const zScore: Kind<'close', { period: number }> = {
  kind: 'z_score',
  description: 'Z-score: how many deviations the close is above or below its average',
  rule: `Bullish below -${far} (prices should come back up), bearish above ${far}, else neutral. The strength is the part of the distance from the average that lies beyond ${far} deviations.`,
  label: 'Z-score {period}',
  definition:
    'Standard score of the newest close among the last ones, itself included: population deviation, in two passes',
  // Among five or fewer nothing can be further away than two deviations.
  parameters: [{ name: 'period', type: 'integer', min: 6, max: 5_000, default: 20 }],
  columns: ['close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [{ name: 'z_score', unit: 'ratio', pane: 'own', thresholds: [-far, 0, far] }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    // As offsets from the newest, so that equal closes deviate by exactly nothing.
    const origin = last(close);
    const now = close.length;
    const spread = deviation(close, now - period, now, origin);
    if (spread === 0) return null;
    const value = (0 - mean(close, now - period, now, origin)) / spread;
    const verdict = value < -far ? bullish : value > far ? bearish : neutral;
    const strength = verdict === neutral ? 0 : verdict * (1 - far / Math.abs(value));
    return { outputs: [value], verdict, strength };
  },
};
