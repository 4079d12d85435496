import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { sizeAt, sizesOf } from '../../sizes.ts';
import { typicalPrice } from '../../smoothing.ts';

const oversold = 20;
const overbought = 80;

/** Money Flow Index: how much of the recent turnover was in bars that rose, from 0 to 100. */
export const mfi: Kind<'high' | 'low' | 'close' | 'volume' | 'tick_count', { period: number }> = {
  kind: 'mfi',
  description:
    'Money Flow Index: the share of turnover in bars whose typical price rose, from 0 to 100; turnover by the number of ticks where no bar of the window has a size',
  rule: `Bullish below ${oversold} (oversold), bearish above ${overbought} (overbought), neutral between. The strength is how far beyond.`,
  label: 'MFI {period}',
  definition:
    'G. Quong and A. Soudack, Volume-weighted RSI: Money Flow (Technical Analysis of Stocks & Commodities, 1989): typical price (high + low + close) / 3 times volume, as in TA-Lib',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 4_999, default: 14 }],
  columns: ['high', 'low', 'close', 'volume', 'tick_count'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [{ name: 'mfi', unit: 'ratio', pane: 'own', thresholds: [oversold, overbought] }],
  isClosedOnly: false,
  needsPositive: true,
  defaults: [],
  compute({ high, low, close, volume, tick_count }) {
    const sizes = sizesOf(volume, tick_count, 1);
    let rising = 0;
    let falling = 0;
    let before = typicalPrice(high, low, close, 0);
    for (let index = 1; index < close.length; index++) {
      const price = typicalPrice(high, low, close, index);
      const move = price - before;
      const flow = price * sizeAt(sizes, index);
      if (Number.isNaN(move)) return null;
      if (move > 0) rising += flow;
      if (move < 0) falling += flow;
      before = price;
    }
    // No turnover that went anywhere is neither up nor down.
    if (rising + falling === 0) return null;
    const value = 100 * (rising / (rising + falling));
    if (value < oversold) {
      return { outputs: [value], verdict: bullish, strength: (oversold - value) / oversold };
    }
    if (value > overbought) {
      const strength = (overbought - value) / (100 - overbought);
      return { outputs: [value], verdict: bearish, strength };
    }
    return { outputs: [value], verdict: neutral, strength: 0 };
  },
};
