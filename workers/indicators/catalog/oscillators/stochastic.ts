import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { highest, last, lowest, sma } from '../../smoothing.ts';
import { direction, sameRatio } from './direction.ts';

const oversold = 20;
const overbought = 80;

/** Stochastic oscillator: where the close lies in the range of the last bars, smoothed, and the mean of that. */
export const stochastic: Kind<
  'high' | 'low' | 'close',
  { period: number; k_smoothing: number; d_smoothing: number }
> = {
  kind: 'stochastic',
  description:
    'Stochastic oscillator: K is where the close lies between the lowest low and the highest high, from 0 to 100, D is the mean of K',
  rule: `Bullish while K and D are below ${oversold} and K is above D, bearish while both are above ${overbought} and K is below D, neutral otherwise. The strength is how far K is beyond.`,
  label: 'Stochastic {period}/{k_smoothing}/{d_smoothing}',
  definition:
    'George C. Lane (1984), the slow form: K and D smoothed by simple means, as STOCH of TA-Lib; no value while a range is zero',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 1_000, default: 14 },
    { name: 'k_smoothing', type: 'integer', min: 1, max: 100, default: 3 },
    { name: 'd_smoothing', type: 'integer', min: 1, max: 100, default: 3 },
  ],
  columns: ['high', 'low', 'close'],
  bars: {
    least: [{ period: 1, k_smoothing: 1, d_smoothing: 1, plus: -2 }],
    window: [{ period: 1, k_smoothing: 1, d_smoothing: 1, plus: -2 }],
  },
  outputs: [
    { name: 'k', unit: 'ratio', pane: 'own', thresholds: [oversold, overbought] },
    { name: 'd', unit: 'ratio', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { period: 14, k_smoothing: 3, d_smoothing: 3 } }],
  compute({ high, low, close }, { period, k_smoothing, d_smoothing }) {
    const [top, bottom] = [highest(high, period), lowest(low, period)];
    // 0 / 0 where nothing moved: no number.
    const places = close.map((price, index) => {
      const least = bottom[index] ?? Number.NaN;
      return 100 * ((price - least) / ((top[index] ?? Number.NaN) - least));
    });
    const means = sma(places, k_smoothing);
    const [k, d] = [last(means), last(sma(means, d_smoothing))];
    return { outputs: [k, d], ...turn(k, d) };
  },
};

/** Out of an extreme: K has turned back across D while both are still there. */
export function turn(k: number, d: number) {
  const side = direction(k, d, sameRatio);
  if (side === bullish && k < oversold) {
    return { verdict: bullish, strength: (oversold - k) / oversold };
  }
  if (side === bearish && k > overbought) {
    return { verdict: bearish, strength: (overbought - k) / (100 - overbought) };
  }
  return { verdict: neutral, strength: 0 };
}
