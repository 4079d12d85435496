import { bearish, bullish, type Kind, neutral } from '../../kind.ts';

/** Aroon: how long ago the highest high and the lowest low were. */
export const aroon: Kind<'high' | 'low', { period: number }> = {
  kind: 'aroon',
  description:
    'Aroon: how recent the highest high (up) and the lowest low (down) are, from 0 to 100, and up minus down',
  rule: 'Bullish while up is above down, bearish while it is below, neutral while they are equal. The strength is their difference as a part of 100.',
  label: 'Aroon {period}',
  definition:
    'Tushar Chande (1995): 100 (period - candles since the extreme) / period; of equal extremes the newest counts, as AROON of TA-Lib',
  parameters: [{ name: 'period', type: 'integer', min: 2, max: 1_000, default: 14 }],
  columns: ['high', 'low'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'oscillator', unit: 'ratio', pane: 'own', thresholds: [0] },
    { name: 'up', unit: 'ratio', pane: 'own', thresholds: [30, 70] },
    { name: 'down', unit: 'ratio', pane: 'own', thresholds: [30, 70] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low }, { period }) {
    const newest = high.length - 1;
    let top = newest - period;
    let bottom = newest - period;
    const at = (values: Float64Array, index: number): number => values[index] ?? Number.NaN;
    for (let index = newest - period; index <= newest; index++) {
      if (Number.isNaN(at(high, index) - at(low, index))) return null;
      if (at(high, index) >= at(high, top)) top = index;
      if (at(low, index) <= at(low, bottom)) bottom = index;
    }
    const recency = (index: number): number => (100 * (period - (newest - index))) / period;
    const [up, down] = [recency(top), recency(bottom)];
    const verdict = up > down ? bullish : up < down ? bearish : neutral;
    return { outputs: [up - down, up, down], verdict, strength: (up - down) / 100 };
  },
};
