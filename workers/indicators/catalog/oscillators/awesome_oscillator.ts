import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { direction, samePrice } from './direction.ts';

/** Awesome Oscillator: a fast simple average of the middle prices minus a slow one. */
export const awesomeOscillator: Kind<'high' | 'low', { fast: number; slow: number }> = {
  kind: 'awesome_oscillator',
  description:
    'Awesome Oscillator: a fast simple average of the middle of high and low minus a slow one',
  rule: 'Bullish when it crosses above 0, or is above 0 with a saucer (of three bars above 0 the middle one is the lowest); bearish when it crosses below 0, or is below 0 with the saucer turned over (of three bars below 0 the middle one is the highest); neutral otherwise. The strength is its distance from 0 as a part of the range of the middle prices.',
  label: 'Awesome Oscillator {fast}/{slow}',
  definition: 'Bill Williams, New Trading Dimensions (1998): simple averages of (high + low) / 2',
  parameters: [
    { name: 'fast', type: 'integer', min: 1, max: 499, default: 5, less_than: 'slow' },
    { name: 'slow', type: 'integer', min: 2, max: 500, default: 34 },
  ],
  columns: ['high', 'low'],
  bars: { least: [{ slow: 1 }], window: [{ slow: 1, plus: 2 }] },
  outputs: [{ name: 'awesome_oscillator', unit: 'price', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low }, { fast, slow }) {
    const { length } = high;
    const middle = (index: number): number =>
      ((high[index] ?? Number.NaN) + (low[index] ?? Number.NaN)) / 2;
    const newest = middle(length - 1);
    const mean = (from: number, to: number): number => {
      let sum = 0;
      // From the newest, so that equal prices have averages without a distance.
      for (let index = from; index < to; index++) sum += middle(index) - newest;
      return sum / (to - from);
    };
    const valueBefore = (to: number): number => mean(to - fast, to) - mean(to - slow, to);
    const value = valueBefore(length);
    const before = valueBefore(length - 1);
    const earlier = valueBefore(length - 2);
    const same = samePrice(newest);
    const side = direction(value, 0, same);
    const isCross =
      side !== neutral && !Number.isNaN(before) && direction(before, 0, same) !== side;
    const isSaucer =
      side !== neutral &&
      direction(before, 0, same) === side &&
      direction(earlier, 0, same) === side &&
      direction(value, before, same) === side &&
      direction(earlier, before, same) === side;
    if (!isCross && !isSaucer) return { outputs: [value], verdict: neutral, strength: 0 };
    let top = 0;
    let bottom = 0;
    for (let index = length - slow; index < length; index++) {
      top = Math.max(top, middle(index) - newest);
      bottom = Math.min(bottom, middle(index) - newest);
    }
    // Not beyond 1 by rounding.
    const part = Math.min(1, Math.abs(value) / (top - bottom));
    return side === bullish
      ? { outputs: [value], verdict: bullish, strength: part }
      : { outputs: [value], verdict: bearish, strength: -part };
  },
};
