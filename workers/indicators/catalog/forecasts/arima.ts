import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { expectArma, type Fit, fitArma } from './arma.ts';
import { quantiles, rounding } from './quantiles.ts';

const orders = {
  '(1,1,0)': { isAutoregressive: true, isMovingAverage: false },
  '(0,1,1)': { isAutoregressive: false, isMovingAverage: true },
  '(1,1,1)': { isAutoregressive: true, isMovingAverage: true },
};
const best = 'best';

/** ARIMA without a constant: the moves of the close go on as they, and their surprises, did before. */
export const arima: Kind<
  'close',
  { period: number; order: string; horizon: number; level: string }
> = {
  kind: 'arima',
  description:
    'ARIMA: where the close will be, with an interval, by a model that is fitted to the closes of the window',
  rule: 'Bullish when the whole interval of the forecast lies above the close, bearish when it lies below, else neutral. The strength is how far beyond the close it lies.',
  label: 'ARIMA {order} {period}, {horizon} ahead at {level}',
  definition:
    'G. E. P. Box and G. M. Jenkins, Time Series Analysis (1970); exact likelihood by the innovations algorithm of P. J. Brockwell and R. A. Davis, Time Series: Theory and Methods (2nd ed.), section 5.3 and 8.7; best: the order with the lowest AICc; coverage: of the second half of the window, each close predicted from those before it by the fit of the first half',
  parameters: [
    { name: 'period', type: 'integer', min: 60, max: 1_000, default: 200 },
    { name: 'order', type: 'choice', choices: [best, ...Object.keys(orders)], default: best },
    { name: 'horizon', type: 'integer', min: 1, max: 100, default: 5 },
    { name: 'level', type: 'choice', choices: Object.keys(quantiles), default: '0.95' },
  ],
  columns: ['close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'forecast', unit: 'price', pane: 'price' },
    { name: 'phi', unit: 'ratio', pane: 'own', thresholds: [0] },
    { name: 'theta', unit: 'ratio', pane: 'own', thresholds: [0] },
    { name: 'coverage', unit: 'probability', pane: 'own' },
  ],
  isClosedOnly: true,
  // Short enough to have a value after a day of history, long enough to be cheap then.
  defaults: [
    { timeframe: '15m', params: { period: 90, order: 'best', horizon: 4, level: '0.80' } },
  ],
  compute({ close }, { order, horizon, level }) {
    const last = close.at(-1) ?? Number.NaN;
    const moves = movesOf(close);
    const fit = fitOf(moves, order);
    if (fit === null || !(Math.sqrt(fit.variance) > rounding * Math.abs(last))) return null;
    const quantile = quantiles[level] ?? Number.NaN;
    const coverage = coverageOf(moves, order, quantile);
    if (coverage === null) return null;
    const { phi, theta } = fit;

    let move = expectArma(moves, phi, theta).expected.at(-1) ?? Number.NaN;
    let ahead = 0;
    // What a surprise is worth when it is so many bars old: all later moves that it causes are in the price.
    let weight = 1;
    let caused = phi + theta;
    let squares = 0;
    for (let bar = 0; bar < horizon; bar++) {
      ahead += move;
      move *= phi;
      squares += weight * weight;
      weight += caused;
      caused *= phi;
    }
    const half = quantile * Math.sqrt(fit.variance * squares);
    const forecast = last + ahead;
    const [low, high] = [forecast - half, forecast + half];
    const verdict = low > last ? bullish : high < last ? bearish : neutral;
    const strength = verdict === neutral ? 0 : verdict * Math.max(0, 1 - half / Math.abs(ahead));
    return {
      outputs: [forecast, phi, theta, coverage],
      verdict,
      strength,
      forecast: { horizon, low, high },
    };
  },
};

export const movesOf = (close: Float64Array): Float64Array =>
  close.subarray(1).map((price, index) => price - (close[index] ?? Number.NaN));

function fitOf(moves: Float64Array, order: string): Fit | null {
  const tried = Object.entries(orders)
    .filter(([name]) => order === best || order === name)
    .map(([, each]) => fitArma(moves, each))
    .filter(fit => fit !== null);
  return tried.length === 0 ? null : tried.reduce((a, b) => (b.aicc < a.aicc ? b : a));
}

/** How many of the moves that a fit has not seen were within its interval. */
function coverageOf(moves: Float64Array, order: string, quantile: number): number | null {
  const half = Math.floor(moves.length / 2);
  const fit = fitOf(moves.subarray(0, half), order);
  if (fit === null) return null;
  const { expected, relativeVariance } = expectArma(moves, fit.phi, fit.theta);
  let within = 0;
  for (let index = half; index < moves.length; index++) {
    const deviation = Math.sqrt(fit.variance * (relativeVariance[index] ?? Number.NaN));
    const surprise = (moves[index] ?? Number.NaN) - (expected[index] ?? Number.NaN);
    if (Math.abs(surprise) <= quantile * deviation) within++;
  }
  return within / (moves.length - half);
}
