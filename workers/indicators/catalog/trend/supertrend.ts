import { bearish, bullish, type Kind, neutral, type Verdict } from '../../kind.ts';
import { last, trueRange, whole } from '../../smoothing.ts';

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
  compute({ high, low, close }, { period: candles, multiplier }) {
    const period = whole(candles);
    const kept = 1 - 1 / period;
    // Wilder's sum of true ranges, the period times their average, as it would be before the first that it gives way to.
    let ranges = trueRange(high, low, close, 1);
    for (let index = 2; index < period; index++) ranges += trueRange(high, low, close, index);
    ranges /= kept;
    const multiple = multiplier / period;
    const newest = close.length - 1;
    let upper = Number.POSITIVE_INFINITY;
    let lower = Number.NEGATIVE_INFINITY;
    let trend: Verdict = neutral;
    let before = close[period - 1] ?? Number.NaN;
    for (let index = period; index < close.length; index++) {
      const top = high[index] ?? Number.NaN;
      const bottom = low[index] ?? Number.NaN;
      const price = close[index] ?? Number.NaN;
      let range = top - bottom;
      if (before > top) range = before - bottom;
      if (before < bottom) range = top - before;
      before = price;
      ranges = kept * ranges + range;
      const middle = (top + bottom) / 2;
      const offset = multiple * ranges;
      if (middle + offset < upper) upper = middle + offset;
      if (middle - offset > lower) lower = middle - offset;
      if (price <= upper && price >= lower) continue;
      trend = turned(trend, price > upper, price < lower);
      if (index === newest) break;
      // A band gives way after a close beyond it.
      if (price > upper) upper = Number.POSITIVE_INFINITY;
      if (price < lower) lower = Number.NEGATIVE_INFINITY;
    }
    if (trend === neutral || Number.isNaN(ranges)) return null;
    const line = trend === bullish ? lower : upper;
    const width = 2 * multiple * ranges;
    const distance = trend * (last(close) - line);
    const strength = width > 0 && distance > 0 ? trend * Math.min(1, distance / width) : 0;
    return { outputs: [line], verdict: trend, strength };
  },
};

/** A candle can be beyond both bands; then it turns whatever the trend was, and starts none. */
function turned(trend: Verdict, isAbove: boolean, isBelow: boolean): Verdict {
  if (!isBelow) return bullish;
  if (!isAbove) return bearish;
  if (trend === neutral) return neutral;
  return trend === bullish ? bearish : bullish;
}
