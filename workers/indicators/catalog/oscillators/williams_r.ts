import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { highest, last, lowest } from '../../smoothing.ts';
import { direction, sameRatio } from './direction.ts';

const oversold = -80;
const overbought = -20;

/** Williams %R: how far the close is below the highest high, as a part of the range. */
export const williamsR: Kind<'high' | 'low' | 'close', { period: number }> = {
  kind: 'williams_r',
  description:
    'Williams %R: how far the close is below the highest high, as a part of the range, from -100 (at the lowest low) to 0 (at the highest high)',
  rule: `Bullish below ${oversold} while it rises, bearish above ${overbought} while it falls, against the bar before, neutral otherwise. The strength is how far beyond.`,
  label: 'Williams %R {period}',
  definition:
    'Larry Williams, How I Made One Million Dollars Last Year Trading Commodities (1973), as in TA-Lib; no value while the range is zero',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 14 }],
  columns: ['high', 'low', 'close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [{ name: 'williams_r', unit: 'ratio', pane: 'own', thresholds: [oversold, overbought] }],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period }) {
    const valueAt = (back: number): number => {
      const to = close.length - back;
      const top = highest(high, to - period, to);
      return -100 * ((top - last(close, back)) / (top - lowest(low, to - period, to)));
    };
    const value = valueAt(0);
    const turn = direction(value, valueAt(1), sameRatio);
    if (value < oversold && turn === bullish) {
      return { outputs: [value], verdict: bullish, strength: (oversold - value) / 20 };
    }
    if (value > overbought && turn === bearish) {
      return { outputs: [value], verdict: bearish, strength: (overbought - value) / 20 };
    }
    return { outputs: [value], verdict: neutral, strength: 0 };
  },
};
