import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import {
  deviation,
  highest,
  last,
  lowest,
  mean,
  placeOfHighest,
  placeOfLowest,
  trueRange,
} from '../../smoothing.ts';

/** Below this part of the price, a momentum is rounding. */
const rounding = 1e-12;

/** Squeeze: Bollinger Bands inside Keltner Channels say that a market rests; momentum says where it goes from there. */
export const squeeze: Kind<
  'high' | 'low' | 'close',
  { period: number; deviations: number; multiple: number }
> = {
  kind: 'squeeze',
  description:
    'Squeeze: the momentum of the close, and the width of the Bollinger Bands as a part of that of the Keltner Channels; below 1 the bands lie inside, the squeeze is on',
  rule: 'Neutral while the squeeze is on. While it is off, bullish when the momentum is above 0, bearish when it is below. The strength is the momentum as a part of the range of the window, at most 1.',
  label: 'Squeeze {period}, {deviations} / {multiple}',
  definition:
    'J. Carter, Mastering the Trade (2005), in the open form of it by LazyBear: both channels around the simple average, population deviation, simple average of the true range; momentum is the end of the regression line through the distances of the closes from the mean of average and middle of the range',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 2_500, default: 20 },
    { name: 'deviations', type: 'number', min: 0.1, max: 10, default: 2 },
    { name: 'multiple', type: 'number', min: 0.1, max: 10, default: 1.5 },
  ],
  columns: ['high', 'low', 'close'],
  // The line goes through a period of distances, each of which is from a period of bars.
  bars: { least: [{ period: 2, plus: -1 }], window: [{ period: 2, plus: -1 }] },
  outputs: [
    { name: 'momentum', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'compression', unit: 'ratio', pane: 'own', thresholds: [1] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period, deviations, multiple }) {
    // As offsets from the newest, so that equal closes deviate by exactly nothing.
    const origin = last(close);
    const now = close.length;
    const bands = deviations * deviation(close, now - period, now, origin);
    // The momentum is where the line of least squares through the last distances ends.
    const middle = (period - 1) / 2;
    let top = -1;
    let bottom = -1;
    let ranges = 0;
    let sum = 0;
    let product = 0;
    let square = 0;
    for (let step = 0; step < period; step++) {
      const index = now - period + step;
      const from = index + 1 - period;
      top = placeOfHighest(high, from, index + 1, top);
      bottom = placeOfLowest(low, from, index + 1, bottom);
      const height = (high[top] ?? Number.NaN) - origin + ((low[bottom] ?? Number.NaN) - origin);
      const average = mean(close, from, index + 1, origin);
      const distance = (close[index] ?? Number.NaN) - origin - (height / 2 + average) / 2;
      sum += distance;
      product += (step - middle) * distance;
      square += (step - middle) ** 2;
      ranges += trueRange(high, low, close, index);
    }
    const channel = multiple * (ranges / period);
    const range = highest(high, 0, now) - lowest(low, 0, now);
    if (channel === 0 || Number.isNaN(range)) return null;
    const momentum = sum / period + (product / square) * middle;
    const compression = bands / channel;
    const isOff = compression >= 1 && Math.abs(momentum) > rounding * Math.abs(origin);
    const verdict = !isOff ? neutral : momentum > 0 ? bullish : bearish;
    return {
      outputs: [momentum, compression],
      verdict,
      strength: verdict === neutral ? 0 : Math.max(-1, Math.min(1, momentum / range)),
    };
  },
};
