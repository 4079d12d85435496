import { type Kind, neutral, type Verdict } from '../../kind.ts';
import { deviation, last, mean } from '../../smoothing.ts';

const unusual = 2;

/** Tick intensity: whether a market is busier than it was. */
export const tickIntensity: Kind<'close' | 'tick_count', { period: number }> = {
  kind: 'tick_intensity',
  description:
    'Tick intensity: how many ticks a bar has beside the mean of the last bars, and by how many deviations it is above; a bar that forms counts what came so far',
  rule: `Neutral up to ${unusual} deviations. Above, bullish when the bar closed higher than the one before, bearish when lower: an unusual number of ticks went that way. The strength is the part of the distance from the mean that lies beyond ${unusual} deviations.`,
  label: 'Tick intensity {period}',
  definition:
    'Ratio to the mean, and standard score, of the newest number of ticks among the last ones, itself included: population deviation, in two passes',
  // Among five or fewer nothing can be further away than two deviations.
  parameters: [{ name: 'period', type: 'integer', min: 6, max: 5_000, default: 20 }],
  columns: ['close', 'tick_count'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'ratio', unit: 'ratio', pane: 'own', thresholds: [1] },
    { name: 'z_score', unit: 'ratio', pane: 'own', thresholds: [0, unusual] },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '5m', params: { period: 20 } }],
  compute({ close, tick_count }, { period }) {
    const move = last(close) - last(close, 1);
    if (Number.isNaN(move)) return null;
    const now = tick_count.length;
    const usual = mean(tick_count, now - period, now);
    const spread = deviation(tick_count, now - period, now);
    const score = spread === 0 ? 0 : (last(tick_count) - usual) / spread;
    const verdict = score > unusual ? (Math.sign(move) as Verdict) : neutral;
    const strength = verdict === neutral ? 0 : verdict * (1 - unusual / score);
    return { outputs: [last(tick_count) / usual, score], verdict, strength };
  },
};
