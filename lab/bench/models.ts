import { arima, movesOf } from '../../workers/indicators/catalog/forecasts/arima.ts';
import { fitArma } from '../../workers/indicators/catalog/forecasts/arma.ts';
import { fitLogistic } from '../../workers/indicators/catalog/forecasts/logistic.ts';
import {
  examplesOf,
  logisticRegression,
} from '../../workers/indicators/catalog/forecasts/logistic_regression.ts';
import { type Figure, median } from './figures.ts';

const part = 'models';
const lengths = [200, 500];
const lags = 5;

/** What runs once on a window of closes. */
type Run = (close: Float64Array) => unknown;

const fits: Readonly<Record<string, Run>> = {
  'arima (1,1,0), a fit': close =>
    fitArma(movesOf(close), { isAutoregressive: true, isMovingAverage: false }),
  'arima (0,1,1), a fit': close =>
    fitArma(movesOf(close), { isAutoregressive: false, isMovingAverage: true }),
  'arima (1,1,1), a fit': close =>
    fitArma(movesOf(close), { isAutoregressive: true, isMovingAverage: true }),
  'arima best, a value': close =>
    arima.compute({ close }, { period: close.length, order: 'best', horizon: 5, level: '0.95' }),
  'logistic regression, a fit': close => {
    const { examples, bars } = examplesOf(close, lags, 1);
    return fitLogistic(examples, bars.length - 1);
  },
  'logistic regression, a value': close =>
    logisticRegression.compute({ close }, { period: close.length, lags, horizon: 1 }),
};

/** What the models take of a processor; no engine has to do with it. */
export function measureModels(isQuick: boolean): Figure[] {
  const count = isQuick ? 20 : 200;
  return Object.entries(fits).flatMap(([name, run]) =>
    lengths.map(length => {
      const walk = walkOf(length + count);
      const times = Array.from({ length: count }, (_, from) => {
        const close = walk.subarray(from, from + length);
        const startedAt = performance.now();
        if (run(close) === null) throw new Error(`${name} has none of ${length} bars`);
        return performance.now() - startedAt;
      });
      return { part, name: `${name}, ${length} bars`, unit: 'ms', value: median(times) };
    }),
  );
}

/** Made-up closes, the same at every run. */
function walkOf(length: number): Float64Array {
  let state = 12_345;
  let price = 100_000;
  return Float64Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    price += (state % 201) - 100;
    return price / 1_000;
  });
}
