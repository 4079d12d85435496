// Every kind of the service `models`; a new one is a file beside and a line here.
export { arima } from './forecasts/arima.ts';
export { drift } from './forecasts/drift.ts';
export { logisticRegression } from './forecasts/logistic_regression.ts';
