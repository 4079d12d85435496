import { bearish, type Kind, neutral } from '../../kind.ts';
import { ema, last } from '../../smoothing.ts';
import { direction } from './direction.ts';

/** TRIX: how much an average that was smoothed three times changes from bar to bar. */
export const trix: Kind<'close', { period: number }> = {
  kind: 'trix',
  description:
    'TRIX: the change of a triple exponential average of the close against the bar before, in percent',
  rule: 'Bullish above 0, bearish below, neutral at 0. The strength is its size as a part of its largest of the last period.',
  label: 'TRIX {period}',
  definition:
    'Jack Hutson, Technical Analysis of Stocks & Commodities (1983); three exponential averages, each of the one before and seeded with a plain mean, as in TA-Lib; no value where the average is not above zero',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 240, default: 15 }],
  columns: ['close'],
  // Three averages one upon the other forget in 20 periods, to 1e-9.
  bars: { least: [{ period: 3, plus: -1 }], window: [{ period: 20 }] },
  outputs: [{ name: 'trix', unit: 'percent', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    const newest = last(close);
    // From the newest close, so that equal closes change by nothing.
    const prices = close.map(price => price - newest);
    const average = ema(ema(ema(prices, period), period), period);
    const changeAt = (back: number): number => {
      const before = last(average, back + 1);
      return 100 * ((last(average, back) - before) / (newest + before));
    };
    const value = changeAt(0);
    if (!(newest + last(average, 1) > 0)) return null;
    const verdict = direction(value, 0, 1e-10);
    if (verdict === neutral) return { outputs: [value], verdict, strength: 0 };
    const size = Math.abs(value);
    let largest = size;
    for (let back = 1; back < period; back++) {
      const other = Math.abs(changeAt(back));
      if (newest + last(average, back + 1) <= 0) return null;
      if (other > largest) largest = other;
    }
    const part = size / largest;
    return { outputs: [value], verdict, strength: verdict === bearish ? -part : part };
  },
};
