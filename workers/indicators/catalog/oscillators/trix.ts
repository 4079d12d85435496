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
    const once = ema(period);
    const twice = ema(period);
    const thrice = ema(period);
    let value = Number.NaN;
    let largest = 0;
    for (let index = 0; index < close.length; index++) {
      const before = thrice.mean;
      // From the newest close, so that equal closes change by nothing.
      thrice.next(twice.next(once.next((close[index] ?? Number.NaN) - newest)));
      if (index < close.length - period) continue;
      if (newest + before <= 0) return null;
      value = 100 * ((thrice.mean - before) / (newest + before));
      if (Math.abs(value) > largest) largest = Math.abs(value);
    }
    const verdict = direction(value, 0, 1e-10);
    if (verdict === neutral) return { outputs: [value], verdict, strength: 0 };
    const part = Math.abs(value) / largest;
    return { outputs: [value], verdict, strength: verdict === bearish ? -part : part };
  },
};
