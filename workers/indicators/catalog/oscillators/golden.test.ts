import { describeVectors } from '../../../../tests/support/vectors.ts';

describeVectors('oscillators', [
  'awesome_oscillator',
  'bull_bear_power',
  'cci',
  'macd',
  'momentum',
  'rate_of_change',
  'rsi',
  'stochastic',
  'stochastic_rsi',
  'trix',
  'tsi',
  'ultimate_oscillator',
  'williams_r',
]);
