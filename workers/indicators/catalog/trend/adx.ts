import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { whole } from '../../smoothing.ts';

const trending = 20;

/** Average Directional Index with both Directional Indicators. */
export const adx: Kind<'high' | 'low' | 'close', { period: number }> = {
  kind: 'adx',
  description:
    'Average Directional Index: how strong the trend is, from 0 to 100, and the directional indicators +DI and -DI that tell which way it goes',
  rule: `Bullish when the ADX is above ${trending} and above the one before and +DI above -DI, bearish when it is so and -DI is above +DI, else neutral. The strength is the ADX as a part of 100.`,
  label: 'ADX {period}',
  definition:
    'J. Welles Wilder, New Concepts in Technical Trading Systems (1978), as ADX, PLUS_DI and MINUS_DI of TA-Lib: sums begin with period - 1 candles, the ADX with the mean of the first directional indices',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 150, default: 14 }],
  columns: ['high', 'low', 'close'],
  // One more than TA-Lib's look-back asks for: it is compared with the one before.
  bars: { least: [{ period: 2, plus: 1 }], window: [{ period: 32, plus: 1 }] },
  outputs: [
    { name: 'adx', unit: 'ratio', pane: 'own', thresholds: [trending] },
    { name: 'plus_di', unit: 'ratio', pane: 'own' },
    { name: 'minus_di', unit: 'ratio', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { period: 14 } }],
  compute({ high, low, close }, params) {
    const period = whole(params.period);
    const kept = 1 - 1 / period;
    let plus = 0;
    let minus = 0;
    let range = 0;
    let indices = 0;
    let indicesBefore = Number.NaN;
    let topBefore = high[0] ?? Number.NaN;
    let bottomBefore = low[0] ?? Number.NaN;
    let priceBefore = close[0] ?? Number.NaN;
    let index = 1;
    // Wilder's sums: once one has as many candles as the period, it keeps all but that part of itself for each new one.
    // First those of the moves have, from the period on the one of the directional indices begins. A loop has to ask
    // at no candle which stage it is.
    for (const to of [period, 2 * period, close.length]) {
      const keptMoves = index < period ? 1 : kept;
      const keptIndices = index < 2 * period ? 1 : kept;
      if (index === period) indices = 0;
      for (; index < to; index++) {
        const top = high[index] ?? Number.NaN;
        const bottom = low[index] ?? Number.NaN;
        const up = top - topBefore;
        const down = bottomBefore - bottom;
        topBefore = top;
        bottomBefore = bottom;
        plus *= keptMoves;
        minus *= keptMoves;
        range *= keptMoves;
        if (up > down) {
          if (up > 0) plus += up;
        } else if (down > up && down > 0) minus += down;
        // Wilder's true range.
        if (priceBefore > top) range += priceBefore - bottom;
        else if (priceBefore < bottom) range += top - priceBefore;
        else range += top - bottom;
        priceBefore = close[index] ?? Number.NaN;
        const moved = plus + minus;
        indicesBefore = indices;
        indices *= keptIndices;
        // Nothing has moved only before the first move, as sums that shrink by a part never reach 0.
        if (moved > 0) indices += Math.abs(plus - minus) / moved;
      }
    }
    const value = (100 * indices) / period;
    const before = (100 * indicesBefore) / period;
    // No range at all has no direction.
    if (range === 0) return null;
    const [plusDi, minusDi] = [(100 * plus) / range, (100 * minus) / range];
    const outputs = [value, plusDi, minusDi];
    if (!(value > trending && value > before) || plusDi === minusDi) {
      return { outputs, verdict: neutral, strength: 0 };
    }
    const verdict = plusDi > minusDi ? bullish : bearish;
    return { outputs, verdict, strength: verdict * Math.min(1, value / 100) };
  },
};
