import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { highest, lowest } from '../../smoothing.ts';

/** Heikin-Ashi candle: each opens in the middle of the one before, so that trends show as runs of one colour. */
export const heikinAshi: Kind<'open' | 'high' | 'low' | 'close', Record<string, never>> = {
  kind: 'heikin_ashi',
  description:
    'Heikin-Ashi: a candle of averages, which opens in the middle of the one before and closes at the mean of open, high, low and close',
  rule: 'Bullish while the Heikin-Ashi candle closes above its open, bearish while it closes below, neutral while they are equal. The strength is their distance as a part of the range of highs and lows in the window.',
  label: 'Heikin-Ashi',
  definition:
    'Dan Valcu, Using the Heikin-Ashi Technique (2004); the first candle of the window opens in the middle of its own open and close',
  parameters: [],
  columns: ['open', 'high', 'low', 'close'],
  // What was before weighs half as much with each candle.
  bars: { least: [{ plus: 2 }], window: [{ plus: 60 }] },
  outputs: [
    { name: 'close', unit: 'price', pane: 'price' },
    { name: 'open', unit: 'price', pane: 'price' },
    { name: 'high', unit: 'price', pane: 'price' },
    { name: 'low', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute(columns) {
    const at = (values: Float64Array, index: number): number => values[index] ?? Number.NaN;
    // Halves of halves: the mean of four equal prices is exactly that price.
    const middle = (one: number, other: number): number => (one + other) / 2;
    let open = Number.NaN;
    let close = Number.NaN;
    for (let index = 0; index < columns.close.length; index++) {
      const first = at(columns.open, index);
      const final = at(columns.close, index);
      open = index === 0 ? middle(first, final) : middle(open, close);
      close = middle(middle(first, final), middle(at(columns.high, index), at(columns.low, index)));
    }
    const newest = columns.close.length - 1;
    const high = Math.max(at(columns.high, newest), open, close);
    const low = Math.min(at(columns.low, newest), open, close);
    const outputs = [close, open, high, low];
    if (close === open) return { outputs, verdict: neutral, strength: 0 };
    const range = highest(columns.high, 0, newest + 1) - lowest(columns.low, 0, newest + 1);
    const strength = Math.max(-1, Math.min(1, (close - open) / range));
    return { outputs, verdict: close > open ? bullish : bearish, strength };
  },
};
