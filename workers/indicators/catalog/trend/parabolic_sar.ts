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
    const top = (index: number): number => high[index] ?? Number.NaN;
    const bottom = (index: number): number => low[index] ?? Number.NaN;
    const fall = bottom(0) - bottom(1);
    let isRising = !(fall > 0 && fall > top(1) - top(0));
    let extreme = isRising ? top(1) : bottom(1);
    let next = isRising ? bottom(0) : top(0);
    let factor = acceleration;
    let stop = Number.NaN;
    let highest = top(0);
    let lowest = bottom(0);
    for (let index = 1; index < close.length; index++) {
      highest = Math.max(highest, top(index));
      lowest = Math.min(lowest, bottom(index));
      stop = next;
      if (isRising) {
        if (bottom(index) <= stop) {
          isRising = false;
          stop = Math.max(extreme, top(index));
          extreme = bottom(index);
          factor = acceleration;
        } else if (top(index) > extreme) {
          extreme = top(index);
          factor = Math.min(maximum, factor + acceleration);
        }
      } else if (top(index) >= stop) {
        isRising = true;
        stop = Math.min(extreme, bottom(index));
        extreme = top(index);
        factor = acceleration;
      } else if (bottom(index) < extreme) {
        extreme = bottom(index);
        factor = Math.min(maximum, factor + acceleration);
      }
      const before = index > 1 ? index - 1 : 1;
      next = stop + factor * (extreme - stop);
      next = isRising
        ? Math.min(next, bottom(before), bottom(index))
        : Math.max(next, top(before), top(index));
    }
    const distance = last(close) - stop;
    if (Number.isNaN(distance)) return null;
    if (distance === 0) return { outputs: [stop], verdict: neutral, strength: 0 };
    const strength = Math.max(-1, Math.min(1, distance / (highest - lowest)));
    return { outputs: [stop], verdict: distance > 0 ? bullish : bearish, strength };
  },
};
