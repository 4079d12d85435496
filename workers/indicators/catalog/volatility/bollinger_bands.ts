import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { deviation, last, mean } from '../../smoothing.ts';

/** Bollinger Bands: how far the close is from its average, measured in deviations of the closes. */
export const bollingerBands: Kind<'close', { period: number; deviations: number }> = {
  kind: 'bollinger_bands',
  description:
    'Bollinger Bands: the average of the close with a band of so many deviations on either side; %b is 0 at the lower band and 1 at the upper one, the width is a part of the average',
  rule: 'Bullish while the close is below the lower band, bearish while it is above the upper one, else neutral. The strength is the part of its distance from the average that lies beyond the band.',
  label: 'Bollinger {period}, {deviations}',
  definition:
    'J. Bollinger, Bollinger on Bollinger Bands (2001): simple average and population deviation, in two passes',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 5_000, default: 20 },
    { name: 'deviations', type: 'number', min: 0.1, max: 10, default: 2 },
  ],
  columns: ['close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'middle', unit: 'price', pane: 'price' },
    { name: 'upper', unit: 'price', pane: 'price' },
    { name: 'lower', unit: 'price', pane: 'price' },
    { name: 'percent_b', unit: 'ratio', pane: 'own', thresholds: [0, 1] },
    { name: 'width', unit: 'ratio', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { period: 20, deviations: 2 } }],
  compute({ close }, { period, deviations }) {
    // As offsets from the newest, so that equal closes deviate by exactly nothing.
    const origin = last(close);
    const now = close.length;
    const offset = mean(close, now - period, now, origin);
    const half = deviations * deviation(close, now - period, now, origin);
    if (half === 0) return null;
    const middle = origin + offset;
    const outputs = [
      middle,
      middle + half,
      middle - half,
      0.5 - offset / (2 * half),
      (2 * half) / middle,
    ];
    const verdict = offset > half ? bullish : offset < -half ? bearish : neutral;
    const strength = verdict === neutral ? 0 : verdict * (1 - half / Math.abs(offset));
    return { outputs, verdict, strength };
  },
};
