import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { trueRange, wilder } from '../../smoothing.ts';

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
  compute({ high, low, close }, { period }) {
    const at = (values: Float64Array, index: number): number => values[index] ?? Number.NaN;
    const average = wilder(period);
    const kept = 1 - 1 / period;
    let plus = 0;
    let minus = 0;
    let range = 0;
    let before = Number.NaN;
    for (let index = 1; index < close.length; index++) {
      const up = at(high, index) - at(high, index - 1);
      const down = at(low, index - 1) - at(low, index);
      if (index >= period) {
        plus *= kept;
        minus *= kept;
        range *= kept;
      }
      if (up > down && up > 0) plus += up;
      if (down > up && down > 0) minus += down;
      range += trueRange(high, low, close, index);
      if (index < period) continue;
      before = average.mean;
      // Nothing has moved only before the first move, as sums that shrink by a part never reach 0.
      const moved = plus + minus;
      average.next(moved > 0 ? (100 * Math.abs(plus - minus)) / moved : 0);
    }
    const value = average.mean;
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
