import { type Kind, neutral } from '../../kind.ts';

/** Realised volatility: the deviation of the logarithmic returns from bar to bar, scaled to a year. */
export const realisedVolatility: Kind<'close', { period: number; bars_per_year: number }> = {
  kind: 'realised_volatility',
  description:
    'Realised volatility: the deviation of the last logarithmic returns of the close, for a year and for one bar; a year of daily candles has 252 bars, of candles of a minute around the clock 525,600',
  rule: 'Always neutral: it says how far prices move, not where to.',
  label: 'Volatility {period}, {bars_per_year} bars a year',
  definition:
    'J. Hull, Options, Futures, and Other Derivatives, on estimating volatility from historical data: sample deviation of the logarithmic returns, times the root of the bars in a year',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 4_999, default: 20 },
    { name: 'bars_per_year', type: 'integer', min: 1, max: 31_622_400, default: 252 },
  ],
  columns: ['close'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'volatility', unit: 'percent', pane: 'own' },
    { name: 'per_bar', unit: 'percent', pane: 'own' },
  ],
  isClosedOnly: false,
  needsPositive: true,
  defaults: [],
  compute({ close }, { period, bars_per_year }) {
    const first = close.length - 1 - period;
    // The returns add up to that of the whole stretch.
    const mean = returnOf(close, first, close.length - 1) / period;
    let squares = 0;
    for (let index = first + 1; index < close.length; index++) {
      squares += (returnOf(close, index - 1, index) - mean) ** 2;
    }
    const sample = Math.sqrt(squares / (period - 1));
    return {
      outputs: [100 * sample * Math.sqrt(bars_per_year), 100 * sample],
      verdict: neutral,
      strength: 0,
    };
  },
};

function returnOf(close: Float64Array, from: number, to: number): number {
  return Math.log((close[to] ?? Number.NaN) / (close[from] ?? Number.NaN));
}
