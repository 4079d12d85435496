import { describeVectors } from '../../../../tests/support/vectors.ts';

describeVectors('trend', [
  'adx',
  'aroon',
  'heikin_ashi',
  'ichimoku',
  'linear_regression_slope',
  'parabolic_sar',
  'supertrend',
]);
