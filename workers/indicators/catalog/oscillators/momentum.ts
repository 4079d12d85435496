import { bearish, type Kind, neutral } from '../../kind.ts';
import { last } from '../../smoothing.ts';
import { direction, samePrice } from './direction.ts';

/** Momentum: the close minus the one so many bars before. */
export const momentum: Kind<'close', { period: number }> = {
  kind: 'momentum',
  description: 'Momentum: the close minus the close so many bars before',
  rule: 'Bullish while it rises against the bar before, bearish while it falls, neutral while it stays. The strength is its change as a part of the sum of both distances from zero.',
  label: 'Momentum {period}',
  definition: 'The difference of two closes, as MOM of TA-Lib',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 1_000, default: 10 }],
  columns: ['close'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: 1, plus: 2 }] },
  outputs: [{ name: 'momentum', unit: 'price', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { period }) {
    const value = last(close) - last(close, period);
    const before = last(close, 1) - last(close, period + 1);
    const verdict = direction(value, before, samePrice(last(close)));
    if (verdict === neutral) return { outputs: [value], verdict, strength: 0 };
    const part = Math.abs(value - before) / (Math.abs(value) + Math.abs(before));
    return { outputs: [value], verdict, strength: verdict === bearish ? -part : part };
  },
};
