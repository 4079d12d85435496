import { bearish, type Kind, neutral } from '../../kind.ts';
import { ema, last } from '../../smoothing.ts';
import { direction, samePrice } from './direction.ts';

/** Moving Average Convergence/Divergence: a fast exponential average minus a slow one, and the average of that. */
export const macd: Kind<'close', { fast: number; slow: number; signal: number }> = {
  kind: 'macd',
  description:
    'Moving Average Convergence/Divergence: a fast exponential average of the close minus a slow one, and the exponential average of this line as its signal',
  rule: 'Bullish while the line is above its signal, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the sum of their distances from zero.',
  label: 'MACD {fast}/{slow}/{signal}',
  definition:
    "Gerald Appel (1979); averages seeded with plain means, the fast one's ending at the slow one's first bar, as in TA-Lib",
  parameters: [
    { name: 'fast', type: 'integer', min: 2, max: 249, default: 12, less_than: 'slow' },
    { name: 'slow', type: 'integer', min: 3, max: 250, default: 26 },
    { name: 'signal', type: 'integer', min: 2, max: 100, default: 9 },
  ],
  columns: ['close'],
  // Two averages one upon the other forget in the sum of what each needs, to 1e-9.
  bars: {
    least: [{ slow: 1, signal: 1, plus: -1 }],
    window: [{ slow: 14, signal: 12 }],
  },
  outputs: [
    { name: 'macd', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'signal', unit: 'price', pane: 'own' },
    { name: 'histogram', unit: 'price', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { fast: 12, slow: 26, signal: 9 } }],
  compute({ close }, { fast, slow, signal }) {
    const newest = last(close);
    const fastAverage = ema(fast);
    const slowAverage = ema(slow);
    const average = ema(signal);
    let value = Number.NaN;
    for (let index = 0; index < close.length; index++) {
      // From the newest close, so that equal closes have averages without a distance.
      const price = (close[index] ?? Number.NaN) - newest;
      slowAverage.next(price);
      if (index < slow - fast) continue;
      value = fastAverage.next(price) - slowAverage.mean;
      average.next(value);
    }
    const mean = average.mean;
    const histogram = value - mean;
    const outputs = [value, mean, histogram];
    const verdict = direction(value, mean, samePrice(newest));
    if (verdict === neutral) return { outputs, verdict, strength: 0 };
    const part = Math.abs(histogram) / (Math.abs(value) + Math.abs(mean));
    return { outputs, verdict, strength: verdict === bearish ? -part : part };
  },
};
