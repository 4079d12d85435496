import { describeVectors } from '../../../../tests/support/vectors.ts';

describeVectors('averages', [
  'average_cross',
  'dema',
  'ema',
  'hma',
  'kama',
  'ma_cross',
  'sma',
  'tema',
  'vwma',
  'wma',
]);
