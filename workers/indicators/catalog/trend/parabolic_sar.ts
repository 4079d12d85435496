import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { last } from '../../smoothing.ts';

/** Parabolic stop and reverse: a stop that follows the trend, faster the longer it lasts. */
export const parabolicSar: Kind<
  'high' | 'low' | 'close',
  { acceleration: number; maximum: number }
> = {
  kind: 'parabolic_sar',
  description:
    'Parabolic SAR: a stop that follows the trend faster with each new extreme and turns when the price reaches it',
  rule: 'Bullish while the close is above the stop, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the range of highs and lows in the window.',
  label: 'Parabolic SAR {acceleration}/{maximum}',
  definition:
    'J. Welles Wilder, New Concepts in Technical Trading Systems (1978); begun as SAR of TA-Lib does: in the direction of the larger movement of the first two candles',
  parameters: [
    {
      name: 'acceleration',
      type: 'number',
      min: 0.01,
      max: 0.2,
      default: 0.02,
      less_than: 'maximum',
    },
    { name: 'maximum', type: 'number', min: 0.05, max: 0.5, default: 0.2 },
  ],
  columns: ['high', 'low', 'close'],
  // Stops that began differently are one from a turn that they have in common.
  bars: { least: [{ plus: 2 }], window: [{ plus: 300 }] },
  outputs: [{ name: 'sar', unit: 'price', pane: 'price' }],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { acceleration, maximum }) {
    let topBefore = high[1] ?? Number.NaN;
    let bottomBefore = low[1] ?? Number.NaN;
    let highest = high[0] ?? Number.NaN;
    let lowest = low[0] ?? Number.NaN;
    const fall = lowest - bottomBefore;
    let isRising = !(fall > 0 && fall > topBefore - highest);
    let extreme = isRising ? topBefore : bottomBefore;
    let next = isRising ? lowest : highest;
    let factor = acceleration;
    let stop = Number.NaN;
    for (let index = 1; index < high.length; index++) {
      const top = high[index] ?? Number.NaN;
      const bottom = low[index] ?? Number.NaN;
      if (!(top <= highest)) highest = Math.max(highest, top);
      if (!(bottom >= lowest)) lowest = Math.min(lowest, bottom);
      stop = next;
      if (isRising) {
        if (bottom <= stop) {
          isRising = false;
          stop = Math.max(extreme, top);
          extreme = bottom;
          factor = acceleration;
        } else if (top > extreme) {
          extreme = top;
          factor = Math.min(maximum, factor + acceleration);
        }
      } else if (top >= stop) {
        isRising = true;
        stop = Math.min(extreme, bottom);
        extreme = top;
        factor = acceleration;
      } else if (bottom < extreme) {
        extreme = bottom;
        factor = Math.min(maximum, factor + acceleration);
      }
      // Not into the range of this candle and the one before.
      next = stop + factor * (extreme - stop);
      if (isRising) {
        if (bottomBefore < next) next = bottomBefore;
        if (bottom < next) next = bottom;
      } else {
        if (topBefore > next) next = topBefore;
        if (top > next) next = top;
      }
      topBefore = top;
      bottomBefore = bottom;
    }
    const distance = last(close) - stop;
    const range = highest - lowest;
    if (Number.isNaN(distance) || Number.isNaN(range)) return null;
    if (distance === 0) return { outputs: [stop], verdict: neutral, strength: 0 };
    const strength = Math.max(-1, Math.min(1, distance / range));
    return { outputs: [stop], verdict: distance > 0 ? bullish : bearish, strength };
  },
};
