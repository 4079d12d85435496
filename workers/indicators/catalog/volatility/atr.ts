import { type Kind, neutral } from '../../kind.ts';
import { last, trueRange, wilder } from '../../smoothing.ts';

/** Average True Range: how far prices move within a bar, gaps included. */
export const atr: Kind<'high' | 'low' | 'close', { period: number }> = {
  kind: 'atr',
  description:
    'Average True Range: the mean movement within a bar, gaps from the close before included; also as a part of the close',
  rule: 'Always neutral: it says how far prices move, not where to.',
  label: 'ATR {period}',
  definition:
    'J. Welles Wilder, New Concepts in Technical Trading Systems (1978); seeded with the plain mean, the first bar has no true range, as in TA-Lib',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 170, default: 14 }],
  columns: ['high', 'low', 'close'],
  // After 29 periods what the first of them weighs is below 1e-9; the first bar is only what the next one moves from.
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 29, plus: 1 }] },
  outputs: [
    { name: 'atr', unit: 'price', pane: 'own' },
    { name: 'percent', unit: 'percent', pane: 'own' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period }) {
    const average = wilder(period);
    for (let index = 1; index < close.length; index++) {
      average.next(trueRange(high, low, close, index));
    }
    const value = average.mean;
    return { outputs: [value, (100 * value) / last(close)], verdict: neutral, strength: 0 };
  },
};
