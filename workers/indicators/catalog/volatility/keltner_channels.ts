import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { ema, last, trueRange, wilder } from '../../smoothing.ts';

/** Keltner Channels: an exponential average with a band of average true ranges on either side. */
export const keltnerChannels: Kind<
  'high' | 'low' | 'close',
  { period: number; atr_period: number; multiple: number }
> = {
  kind: 'keltner_channels',
  description:
    'Keltner Channels: the exponential average of the close with a band of so many average true ranges on either side',
  rule: 'Bullish while the close is above the upper line, bearish while it is below the lower one, else neutral. The strength is the part of its distance from the average that lies beyond the line.',
  label: 'Keltner {period}, {multiple} x ATR {atr_period}',
  definition:
    'L. Bradford Raschke’s form of C. Keltner, How to Make Money in Commodities (1960): exponential average and Wilder’s average true range, each seeded with the plain mean',
  parameters: [
    { name: 'period', type: 'integer', min: 1, max: 400, default: 20 },
    { name: 'atr_period', type: 'integer', min: 1, max: 170, default: 10 },
    { name: 'multiple', type: 'number', min: 0.1, max: 10, default: 2 },
  ],
  columns: ['high', 'low', 'close'],
  // What the first bars weigh is below 1e-9 after 12 periods of the one average, after 29 of the other.
  bars: {
    least: [{ period: 1 }, { atr_period: 1, plus: 1 }],
    window: [{ period: 12 }, { atr_period: 29, plus: 1 }],
  },
  outputs: [
    { name: 'middle', unit: 'price', pane: 'price' },
    { name: 'upper', unit: 'price', pane: 'price' },
    { name: 'lower', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period, atr_period, multiple }) {
    // As offsets from the newest, so that the average of equal closes is exactly that close.
    const origin = last(close);
    const average = ema(period);
    const range = wilder(atr_period);
    for (let index = 0; index < close.length; index++) {
      average.next((close[index] ?? Number.NaN) - origin);
      if (index > 0) range.next(trueRange(high, low, close, index));
    }
    const offset = average.mean;
    const half = multiple * range.mean;
    const middle = origin + offset;
    const verdict = -offset > half ? bullish : offset > half ? bearish : neutral;
    const strength = verdict === neutral ? 0 : verdict * (1 - half / Math.abs(offset));
    return { outputs: [middle, middle + half, middle - half], verdict, strength };
  },
};
