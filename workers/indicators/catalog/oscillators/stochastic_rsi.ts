import { bullish, type Kind, neutral } from '../../kind.ts';
import { last } from '../../smoothing.ts';
import { exponential } from '../averages/ema.ts';
import { sameRatio } from './direction.ts';
import { lastOfRsi, memory } from './rsi.ts';
import { placed, turn } from './stochastic.ts';

/** For the values of the index of one window: to make it anew takes longer than to fill it. */
let room = new Float64Array(0);

/** Stochastic RSI: where the RSI lies in its own range, against the trend of the close. */
export const stochasticRsi: Kind<
  'close',
  {
    k_smoothing: number;
    d_smoothing: number;
    rsi_period: number;
    stochastic_period: number;
    trend_period: number;
  }
> = {
  kind: 'stochastic_rsi',
  description:
    'Stochastic RSI: K is where the Relative Strength Index lies in its own range, from 0 to 100, D is the mean of K',
  rule: 'Bullish while the close is below its exponential average of the trend period, K and D are below 20 and K is above D; bearish while the close is above that average, K and D are above 80 and K is below D; neutral otherwise. The strength is how far K is beyond.',
  label: 'Stochastic RSI {k_smoothing}/{d_smoothing}/{rsi_period}/{stochastic_period}',
  definition:
    "Tushar Chande and Stanley Kroll, The New Technical Trader (1994); K and D smoothed by simple means, on Wilder's RSI as in TA-Lib; no value while the RSI stays the same",
  parameters: [
    { name: 'k_smoothing', type: 'integer', min: 1, max: 100, default: 3 },
    { name: 'd_smoothing', type: 'integer', min: 1, max: 100, default: 3 },
    { name: 'rsi_period', type: 'integer', min: 2, max: 150, default: 14 },
    { name: 'stochastic_period', type: 'integer', min: 2, max: 400, default: 14 },
    { name: 'trend_period', type: 'integer', min: 2, max: 400, default: 50 },
  ],
  columns: ['close'],
  // The RSI forgets in 29 periods, an exponential average in 12, to 1e-9.
  bars: {
    least: [
      { rsi_period: 1, stochastic_period: 1, k_smoothing: 1, d_smoothing: 1, plus: -2 },
      { trend_period: 1 },
    ],
    window: [
      { rsi_period: memory, stochastic_period: 1, k_smoothing: 1, d_smoothing: 1, plus: -2 },
      { trend_period: 12 },
    ],
  },
  outputs: [
    { name: 'k', unit: 'ratio', pane: 'own', thresholds: [20, 80] },
    { name: 'd', unit: 'ratio', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { k_smoothing, d_smoothing, rsi_period, stochastic_period, trend_period }) {
    const count = stochastic_period + k_smoothing + d_smoothing - 2;
    if (room.length < count) room = new Float64Array(count);
    const strengths = lastOfRsi(close, rsi_period, room.subarray(0, count));
    const ranged = { high: strengths, low: strengths, close: strengths };
    // While the close stands still the RSI only rounds.
    const { k, d } = placed(ranged, stochastic_period, k_smoothing, d_smoothing, sameRatio);
    const { verdict, strength } = turn(k, d);
    if (verdict === neutral) return { outputs: [k, d], verdict, strength };
    // From the newest close, so that equal closes are at no side of their average.
    const average = exponential(close, trend_period, last(close));
    const isAgainstTrend = verdict === bullish ? average > 0 : average < 0;
    return isAgainstTrend
      ? { outputs: [k, d], verdict, strength }
      : { outputs: [k, d], verdict: neutral, strength: 0 };
  },
};
