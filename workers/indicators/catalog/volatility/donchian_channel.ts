import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { highest, last, lowest } from '../../smoothing.ts';

/** Donchian Channel: the highest high and the lowest low of the last bars. */
export const donchianChannel: Kind<'high' | 'low' | 'close', { period: number }> = {
  kind: 'donchian_channel',
  description:
    'Donchian Channel: the highest high, the lowest low and their middle over the last bars, the newest included',
  rule: 'Bullish when the close is above the channel as it stood one bar before, bearish when it is below, else neutral. The strength is how far beyond, as a part of the height of that channel, at most 1.',
  label: 'Donchian {period}',
  definition: 'R. Donchian’s rule of four weeks: breakouts of the range of the last bars',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 4_999, default: 20 }],
  columns: ['high', 'low', 'close'],
  // One more, for the channel that the newest bar breaks out of.
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 1 }] },
  outputs: [
    { name: 'middle', unit: 'price', pane: 'price' },
    { name: 'upper', unit: 'price', pane: 'price' },
    { name: 'lower', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute({ high, low, close }, { period }) {
    const now = close.length;
    const upper = highest(high, now - period, now);
    const lower = lowest(low, now - period, now);
    const top = highest(high, now - 1 - period, now - 1);
    const bottom = lowest(low, now - 1 - period, now - 1);
    const price = last(close);
    if (!Number.isFinite(price - top - bottom)) return null;
    const beyond = price > top ? price - top : price < bottom ? price - bottom : 0;
    return {
      outputs: [(upper + lower) / 2, upper, lower],
      verdict: beyond > 0 ? bullish : beyond < 0 ? bearish : neutral,
      // A channel without height is left behind altogether.
      strength: beyond === 0 ? 0 : Math.max(-1, Math.min(1, beyond / (top - bottom))),
    };
  },
};
