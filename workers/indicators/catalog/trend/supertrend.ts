import { bearish, bullish, type Kind, neutral, type Verdict } from '../../kind.ts';
import { last, trueRange, wilder } from '../../smoothing.ts';

/** SuperTrend: a band on the far side of the trend, which moves with the trend only. */
export const supertrend: Kind<'high' | 'low' | 'close', { period: number; multiplier: number }> = {
  kind: 'supertrend',
  description:
    'SuperTrend: a stop line some average true ranges from the middle of the candles, which turns to the other side when the close crosses it',
  rule: 'Bullish after the close has crossed the upper band, bearish after it has crossed the lower one; there is no value while no close in the window has crossed a band. The strength is the distance of the close from the line as a part of the distance of both bands, at most 1.',
  label: 'SuperTrend {period}/{multiplier}',
  definition:
    "Olivier Seban: (high + low) / 2 ± multiplier times Wilder's ATR, seeded as in TA-Lib; a band gives way only after a close beyond it",
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 150, default: 10 },
    { name: 'multiplier', type: 'number', min: 0.5, max: 10, default: 3 },
  ],
  columns: ['high', 'low', 'close'],
  // The ATR forgets its seed in 29 periods, the bands what was before at the next crossing.
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 29, plus: 110 }] },
  outputs: [{ name: 'supertrend', unit: 'price', pane: 'price' }],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period, multiplier }) {
    const range = wilder(period);
    let upper = Number.POSITIVE_INFINITY;
    let lower = Number.NEGATIVE_INFINITY;
    let trend: Verdict = neutral;
    for (let index = 1; index < close.length; index++) {
      range.next(trueRange(high, low, close, index));
      if (index < period) continue;
      const price = close[index] ?? Number.NaN;
      const before = close[index - 1] ?? Number.NaN;
      const middle = ((high[index] ?? Number.NaN) + (low[index] ?? Number.NaN)) / 2;
      const offset = multiplier * range.mean;
      upper = before > upper ? middle + offset : Math.min(upper, middle + offset);
      lower = before < lower ? middle - offset : Math.max(lower, middle - offset);
      const isAbove = price > upper;
      const isBelow = price < lower;
      // A candle can be beyond both bands; then it turns whatever the trend was, and starts none.
      if (isAbove && isBelow)
        trend = trend === bullish ? bearish : trend === bearish ? bullish : neutral;
      else if (isAbove) trend = bullish;
      else if (isBelow) trend = bearish;
    }
    if (trend === neutral) return null;
    const line = trend === bullish ? lower : upper;
    const width = 2 * multiplier * range.mean;
    const distance = trend * (last(close) - line);
    const strength = width > 0 && distance > 0 ? trend * Math.min(1, distance / width) : 0;
    return { outputs: [line], verdict: trend, strength };
  },
};
