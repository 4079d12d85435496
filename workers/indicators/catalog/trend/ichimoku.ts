import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { highest, last, lowest } from '../../smoothing.ts';

/** Ichimoku Kinko Hyo with the cloud that lies under the newest candle. */
export const ichimoku: Kind<
  'high' | 'low' | 'close',
  { conversion: number; base: number; span: number; displacement: number }
> = {
  kind: 'ichimoku',
  description:
    'Ichimoku cloud: conversion and base line, and the spans that lie at this candle, computed so many candles before as they are displaced',
  rule: 'Bullish when span A is above span B, the base line above span A, the conversion line above the base line and the close above the conversion line; bearish when all are below; else neutral. The strength is the distance of the close from span B as a part of the range of highs and lows in the window.',
  label: 'Ichimoku {conversion}/{base}/{span}/{displacement}',
  definition:
    'Goichi Hosoda (1969): each line is the middle of the highest high and the lowest low of its period, span A the middle of conversion and base line, span B that of the long period',
  parameters: [
    { name: 'conversion', type: 'integer', min: 1, max: 998, default: 9, less_than: 'base' },
    { name: 'base', type: 'integer', min: 2, max: 999, default: 26, less_than: 'span' },
    { name: 'span', type: 'integer', min: 3, max: 1_000, default: 52 },
    { name: 'displacement', type: 'integer', min: 1, max: 1_000, default: 26 },
  ],
  columns: ['high', 'low', 'close'],
  bars: { least: [{ span: 1, displacement: 1 }], window: [{ span: 1, displacement: 1 }] },
  outputs: [
    { name: 'conversion', unit: 'price', pane: 'price' },
    { name: 'base', unit: 'price', pane: 'price' },
    { name: 'span_a', unit: 'price', pane: 'price' },
    { name: 'span_b', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { conversion: 9, base: 26, span: 52, displacement: 26 } }],
  compute({ high, low, close }, { conversion, base, span, displacement }) {
    const now = close.length;
    const price = last(close);
    const middle = (period: number, to: number): number =>
      (highest(high, to - period, to) + lowest(low, to - period, to)) / 2;
    const conversionLine = middle(conversion, now);
    const baseLine = middle(base, now);
    const then = now - displacement;
    const spanA = (middle(conversion, then) + middle(base, then)) / 2;
    const spanB = middle(span, then);
    const outputs = [conversionLine, baseLine, spanA, spanB];
    const isRising =
      price > conversionLine && conversionLine > baseLine && baseLine > spanA && spanA > spanB;
    const isFalling =
      price < conversionLine && conversionLine < baseLine && baseLine < spanA && spanA < spanB;
    const verdict = isRising ? bullish : isFalling ? bearish : neutral;
    if (verdict === neutral) return { outputs, verdict, strength: 0 };
    const range = highest(high, 0, now) - lowest(low, 0, now);
    if (Number.isNaN(range)) return null;
    const strength = Math.max(-1, Math.min(1, (price - spanB) / range));
    return { outputs, verdict, strength };
  },
};
