import { bearish, bullish, type Candle, type Kind, neutral } from '../../kind.ts';

/** Simple moving averages of the close over a fast and a slow period; their order is the verdict. */
export const maCross: Kind = {
  kind: 'ma_cross',
  description: 'Moving-average cross: a fast and a slow simple moving average of the close',
  rule: 'Bullish while the fast average is above the slow one, bearish while it is below, neutral while they are equal. The value is fast minus slow.',
  label: 'MA cross {fast}/{slow}',
  parameters: [
    { name: 'fast', type: 'integer', min: 1, max: 499, default: 10, less_than: 'slow' },
    { name: 'slow', type: 'integer', min: 2, max: 500, default: 30 },
  ],
  bars: { slow: 1 },
  defaults: [
    { timeframe: '1m', params: { fast: 10, slow: 30 } },
    { timeframe: '15m', params: { fast: 10, slow: 30 } },
  ],
  compute(window, { fast = Number.NaN, slow = Number.NaN }) {
    const fastAverage = average(window, fast);
    const slowAverage = average(window, slow);
    const value = fastAverage - slowAverage;
    if (!Number.isFinite(value)) return null;
    return {
      value,
      lines: { fast: fastAverage, slow: slowAverage },
      verdict: value > 0 ? bullish : value < 0 ? bearish : neutral,
    };
  },
};

/**
 * Mean close of the last `period` candles. Taken as an offset from the newest close, so that equal
 * prices give exactly that price and no verdict comes from rounding.
 */
function average(window: readonly Candle[], period: number): number {
  const origin = window.at(-1)?.close ?? Number.NaN;
  let sum = 0;
  for (const candle of window.slice(-period)) sum += candle.close - origin;
  return origin + sum / period;
}
