import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { last, mean, range } from '../../smoothing.ts';

/** Simple moving averages of the close over a fast and a slow period; their order is the verdict. */
export const maCross: Kind<'close', { fast: number; slow: number }> = {
  kind: 'ma_cross',
  description: 'Moving-average cross: a fast and a slow simple moving average of the close',
  rule: 'Bullish while the fast average is above the slow one, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the range of the closes.',
  label: 'MA cross {fast}/{slow}',
  definition: 'Arithmetic means of the last closes; the value is fast minus slow',
  parameters: [
    { name: 'fast', type: 'integer', min: 1, max: 499, default: 10, less_than: 'slow' },
    { name: 'slow', type: 'integer', min: 2, max: 500, default: 30 },
  ],
  columns: ['close'],
  bars: { least: [{ slow: 1 }], window: [{ slow: 1 }] },
  outputs: [
    { name: 'difference', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'fast', unit: 'price', pane: 'price' },
    { name: 'slow', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { fast: 10, slow: 30 } }],
  compute({ close }, { fast, slow }) {
    const fastAverage = average(close, fast);
    const slowAverage = average(close, slow);
    const value = fastAverage - slowAverage;
    const most = range(close, 0, close.length);
    const verdict = value > 0 ? bullish : value < 0 ? bearish : neutral;
    // Not beyond 1 by rounding, where all closes are nearly the same.
    const strength = verdict === neutral ? 0 : Math.max(-1, Math.min(1, value / most));
    return { outputs: [value, fastAverage, slowAverage], verdict, strength };
  },
};

/**
 * Mean of the last closes. Taken as an offset from the newest, so that equal prices give exactly that
 * price and no verdict comes from rounding.
 */
function average(closes: Float64Array, period: number): number {
  const origin = last(closes);
  return origin + mean(closes, closes.length - period, closes.length, origin);
}
