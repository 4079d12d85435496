import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { typicalPrice } from '../../smoothing.ts';
import { direction, sameRatio } from './direction.ts';

const limit = 100;

/** Commodity Channel Index: how many mean deviations the typical price is from its mean. */
export const cci: Kind<'high' | 'low' | 'close', { period: number }> = {
  kind: 'cci',
  description:
    'Commodity Channel Index: how far the typical price (the mean of high, low and close) is from its mean, in 0.015 mean deviations',
  rule: `Bullish below -${limit} while it rises, bearish above ${limit} while it falls, against the bar before, neutral otherwise. The strength is 1 - ${limit} / its size.`,
  label: 'CCI {period}',
  definition:
    'Donald Lambert, Commodities magazine (1980); constant 0.015 and mean absolute deviation, as in TA-Lib; no value while the typical price stays the same',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 20 }],
  columns: ['high', 'low', 'close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [{ name: 'cci', unit: 'ratio', pane: 'own', thresholds: [-limit, limit] }],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period }) {
    const typical = (index: number): number => typicalPrice(high, low, close, index);
    /** Of the last of these prices; no number where they are too few, or all the same. */
    const valueBefore = (to: number): number => {
      // From the newest, so that equal prices deviate by nothing.
      const newest = typical(to - 1);
      let mean = 0;
      for (let index = to - period; index < to; index++) mean += (typical(index) - newest) / period;
      let deviation = 0;
      for (let index = to - period; index < to; index++) {
        deviation += Math.abs(typical(index) - newest - mean) / period;
      }
      return deviation === 0 ? Number.NaN : -mean / (0.015 * deviation);
    };
    const value = valueBefore(close.length);
    const before = valueBefore(close.length - 1);
    const turn = direction(value, before, sameRatio);
    if (value < -limit && turn === bullish) {
      return { outputs: [value], verdict: bullish, strength: 1 + limit / value };
    }
    if (value > limit && turn === bearish) {
      return { outputs: [value], verdict: bearish, strength: limit / value - 1 };
    }
    return { outputs: [value], verdict: neutral, strength: 0 };
  },
};
