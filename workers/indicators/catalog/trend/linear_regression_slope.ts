import { bearish, bullish, type Kind, neutral } from '../../kind.ts';

/** Slope of the least-squares line through the last closes. */
export const linearRegressionSlope: Kind<'close', { period: number }> = {
  kind: 'linear_regression_slope',
  description:
    'Linear-regression slope: by how much the straight line that fits the last closes best rises with each candle, and how much of their variance it explains',
  rule: 'Bullish while the line rises, bearish while it falls, neutral while it is level but for rounding. The strength is the share of the variance of the closes that the line explains.',
  label: 'Linear-regression slope {period}',
  definition:
    'Least squares of the closes on their place, in two passes, as LINEARREG_SLOPE of TA-Lib; r_squared is the squared correlation',
  parameters: [{ name: 'period', type: 'integer', min: 3, max: 1_000, default: 14 }],
  columns: ['close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'slope', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'r_squared', unit: 'ratio', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    const first = close.length - period;
    const at = (step: number): number => close[first + step] ?? Number.NaN;
    // Distances from the newest close: equal prices have a mean of exactly 0.
    const origin = at(period - 1);
    let mean = 0;
    for (let step = 0; step < period; step++) mean += at(step) - origin;
    mean /= period;
    let together = 0;
    let places = 0;
    let squares = 0;
    for (let step = 0; step < period; step++) {
      const place = step - (period - 1) / 2;
      const distance = at(step) - origin - mean;
      together += place * distance;
      places += place ** 2;
      squares += distance ** 2;
    }
    const slope = together / places;
    const explained = squares === 0 ? 0 : Math.min(1, (slope * together) / squares);
    // What a level line rises by because decimal prices are rounded as doubles is no slope.
    if (Math.abs(slope) <= 1e-12 * Math.abs(origin))
      return { outputs: [slope, explained], verdict: neutral, strength: 0 };
    const verdict = slope > 0 ? bullish : bearish;
    return { outputs: [slope, explained], verdict, strength: verdict * explained };
  },
};
