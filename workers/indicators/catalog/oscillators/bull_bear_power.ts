import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { ema, last } from '../../smoothing.ts';
import { direction, samePrice } from './direction.ts';

/** Elder's bull and bear power: how far high and low are from the average of the close. */
export const bullBearPower: Kind<
  'high' | 'low' | 'close',
  { period: number; trend_period: number }
> = {
  kind: 'bull_bear_power',
  description:
    'Bull and bear power: how far the high (bull) and the low (bear) are from the exponential average of the close; the value is their sum',
  rule: 'Bullish while the close is above its exponential average of the trend period and the bear power is below 0 and rises against the bar before; bearish while the close is below that average and the bull power is above 0 and falls; neutral otherwise. The strength is the part of that power that went since the bar before.',
  label: 'Bull Bear Power {period}',
  definition: 'Alexander Elder, Trading for a Living (1993), the Elder-ray',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 400, default: 13 },
    { name: 'trend_period', type: 'integer', min: 2, max: 400, default: 50 },
  ],
  columns: ['high', 'low', 'close'],
  // An exponential average forgets in 12 periods, to 1e-9; and the bar before.
  bars: {
    least: [{ period: 1 }, { trend_period: 1 }],
    window: [
      { period: 12, plus: 1 },
      { trend_period: 12, plus: 1 },
    ],
  },
  outputs: [
    { name: 'power', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'bull', unit: 'price', pane: 'own' },
    { name: 'bear', unit: 'price', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period, trend_period }) {
    const newest = last(close);
    const average = ema(period);
    const trendAverage = ema(trend_period);
    let averageBefore = Number.NaN;
    for (let index = 0; index < close.length; index++) {
      // From the newest close, so that equal closes are at no side of their average.
      const price = (close[index] ?? Number.NaN) - newest;
      averageBefore = average.mean;
      average.next(price);
      trendAverage.next(price);
    }
    const bull = last(high) - newest - average.mean;
    const bear = last(low) - newest - average.mean;
    const outputs = [bull + bear, bull, bear];
    const same = samePrice(newest);
    const trend = direction(0, trendAverage.mean, same);
    const bullBefore = last(high, 1) - newest - averageBefore;
    const bearBefore = last(low, 1) - newest - averageBefore;
    if (trend === bullish && bear < 0 && direction(bear, bearBefore, same) === bullish) {
      return { outputs, verdict: bullish, strength: 1 - bear / bearBefore };
    }
    if (trend === bearish && bull > 0 && direction(bull, bullBefore, same) === bearish) {
      return { outputs, verdict: bearish, strength: bull / bullBefore - 1 };
    }
    return { outputs, verdict: neutral, strength: 0 };
  },
};
