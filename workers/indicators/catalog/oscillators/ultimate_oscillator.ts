import { bearish, bullish, type Kind, neutral } from '../../kind.ts';

const weak = 30;
const strong = 70;

/** Ultimate Oscillator: buying pressure as a part of the true range, over three periods at once. */
export const ultimateOscillator: Kind<
  'high' | 'low' | 'close',
  { short: number; medium: number; long: number }
> = {
  kind: 'ultimate_oscillator',
  description:
    'Ultimate Oscillator: how far closes are above the true lows, as a part of the true ranges, over three periods weighted 4, 2 and 1, from 0 to 100',
  rule: `Bullish above ${strong}, bearish below ${weak}, neutral between. The strength is how far beyond.`,
  label: 'Ultimate Oscillator {short}/{medium}/{long}',
  definition:
    'Larry Williams, Technical Analysis of Stocks & Commodities (1985), as in TA-Lib; no value while a true range is zero throughout a period',
  parameters: [
    { name: 'short', type: 'integer', min: 1, max: 998, default: 7, less_than: 'medium' },
    { name: 'medium', type: 'integer', min: 2, max: 999, default: 14, less_than: 'long' },
    { name: 'long', type: 'integer', min: 3, max: 1_000, default: 28 },
  ],
  columns: ['high', 'low', 'close'],
  bars: { least: [{ long: 1, plus: 1 }], window: [{ long: 1, plus: 1 }] },
  outputs: [
    { name: 'ultimate_oscillator', unit: 'ratio', pane: 'own', thresholds: [weak, strong] },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { short, medium, long }) {
    const share = (period: number): number => {
      let [pressure, range] = [0, 0];
      for (let index = close.length - period; index < close.length; index++) {
        const before = close[index - 1] ?? Number.NaN;
        const bottom = Math.min(low[index] ?? Number.NaN, before);
        pressure += (close[index] ?? Number.NaN) - bottom;
        range += Math.max(high[index] ?? Number.NaN, before) - bottom;
      }
      return pressure / range;
    };
    const value = (100 * (4 * share(short) + 2 * share(medium) + share(long))) / 7;
    if (value > strong) {
      // Not beyond 1 by rounding.
      const strength = Math.min(1, (value - strong) / (100 - strong));
      return { outputs: [value], verdict: bullish, strength };
    }
    if (value < weak) {
      const strength = Math.max(-1, (value - weak) / weak);
      return { outputs: [value], verdict: bearish, strength };
    }
    return { outputs: [value], verdict: neutral, strength: 0 };
  },
};
