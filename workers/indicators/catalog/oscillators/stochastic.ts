import { bearish, bullish, type Columns, type Kind, neutral } from '../../kind.ts';
import { highest, lowest, mean } from '../../smoothing.ts';
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
    const { k, d } = placed({ high, low, close }, period, k_smoothing, d_smoothing, 0);
    return { outputs: [k, d], ...turn(k, d) };
  },
};

/**
 * Where the last of these lie in the range of a period, from 0 to 100, smoothed: K is the mean of the last places, D of
 * the last K.
 *
 * @param least A range that is not above it is none.
 */
export function placed(
  { high, low, close }: Columns<'high' | 'low' | 'close'>,
  period: number,
  kSmoothing: number,
  dSmoothing: number,
  least: number,
): { k: number; d: number } {
  const places = new Float64Array(kSmoothing + dSmoothing - 1);
  for (let index = 0; index < places.length; index++) {
    const to = close.length - places.length + index + 1;
    const bottom = lowest(low, to - period, to);
    const range = highest(high, to - period, to) - bottom;
    const place = ((close[to - 1] ?? Number.NaN) - bottom) / range;
    places[index] = range > least ? 100 * place : Number.NaN;
  }
  let k = Number.NaN;
  let sum = 0;
  for (let to = kSmoothing; to <= places.length; to++) {
    k = mean(places, to - kSmoothing, to);
    sum += k;
  }
  return { k, d: sum / dSmoothing };
}

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
