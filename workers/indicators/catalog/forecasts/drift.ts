import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { quantiles, rounding } from './quantiles.ts';

/** Random walk with drift: the price goes on as it went on average, and the further, the less certain. */
export const drift: Kind<'close', { period: number; horizon: number; level: string }> = {
  kind: 'drift',
  description: 'Random walk with drift: where the close will be, with an interval',
  rule: 'Bullish when the whole interval of the forecast lies above the close, bearish when it lies below, else neutral. The strength is how far beyond the close it lies.',
  label: 'Drift {period}, {horizon} ahead at {level}',
  definition:
    'R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), sections 5.2 and 5.5: the drift method, with variance s² h (1 + h / (T − 1))',
  parameters: [
    { name: 'period', type: 'integer', min: 10, max: 2_000, default: 100 },
    { name: 'horizon', type: 'integer', min: 1, max: 500, default: 10 },
    { name: 'level', type: 'choice', choices: Object.keys(quantiles), default: '0.95' },
  ],
  columns: ['close'],
  bars: { least: [{ period: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'forecast', unit: 'price', pane: 'price' },
    { name: 'drift', unit: 'price', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: true,
  // Short enough to have a forecast after a day of history.
  defaults: [{ timeframe: '15m', params: { period: 60, horizon: 4, level: '0.80' } }],
  compute({ close }, { horizon, level }) {
    const last = close.at(-1) ?? Number.NaN;
    const steps = close.length - 1;
    const slope = (last - (close[0] ?? Number.NaN)) / steps;
    let squares = 0;
    for (let index = 1; index < close.length; index++) {
      const move = (close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN);
      squares += (move - slope) ** 2;
    }
    // One degree of freedom less, for the drift.
    const deviation = Math.sqrt(squares / (steps - 1));
    if (!(deviation > rounding * Math.abs(last))) return null;
    const half =
      (quantiles[level] ?? Number.NaN) * deviation * Math.sqrt(horizon * (1 + horizon / steps));
    const expected = horizon * slope;
    const forecast = last + expected;
    const [low, high] = [forecast - half, forecast + half];
    const verdict = low > last ? bullish : high < last ? bearish : neutral;
    const beyond = Math.max(0, 1 - half / Math.abs(expected));
    return {
      outputs: [forecast, slope],
      verdict,
      strength: verdict === neutral ? 0 : verdict * beyond,
      forecast: { horizon, low, high },
    };
  },
};
