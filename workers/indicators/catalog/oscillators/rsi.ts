import { bearish, bullish, type Kind, neutral } from '../../kind.ts';
import { whole, wilder } from '../../smoothing.ts';
import { direction, sameRatio } from './direction.ts';

const oversold = 30;
const overbought = 70;

/** After so many periods what the first of them weighs is below 1e-9. */
export const memory = 29;

/** Relative Strength Index: how much of the recent movement went up, from 0 to 100. */
export const rsi: Kind<'close', { period: number; signal: string }> = {
  kind: 'rsi',
  description:
    'Relative Strength Index: the share of upward moves in all moves of the close, from 0 to 100',
  rule: `Bullish below ${oversold} (oversold), bearish above ${overbought} (overbought), neutral between; with signal turn, bullish below only while it rises, bearish above only while it falls, against the bar before. The strength is how far beyond.`,
  label: 'RSI {period}',
  definition:
    'J. Welles Wilder, New Concepts in Technical Trading Systems (1978); averages seeded with the plain mean, as in TA-Lib',
  parameters: [
    { name: 'period', type: 'integer', min: 2, max: 150, default: 14 },
    { name: 'signal', type: 'choice', choices: ['level', 'turn'], default: 'level' },
  ],
  columns: ['close'],
  bars: { least: [{ period: 1, plus: 1 }], window: [{ period: memory }] },
  outputs: [{ name: 'rsi', unit: 'ratio', pane: 'own', thresholds: [oversold, overbought] }],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { period: 14 } }],
  compute({ close }, { period, signal }) {
    const gains = wilder(period);
    const losses = wilder(period);
    let before = Number.NaN;
    for (let index = 1; index < close.length; index++) {
      const move = (close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN);
      if (index === close.length - 1) before = shareOf(gains.mean, losses.mean);
      const size = Math.abs(move);
      gains.next((size + move) / 2);
      losses.next((size - move) / 2);
    }
    const value = shareOf(gains.mean, losses.mean);
    // No move at all is neither up nor down.
    if (Number.isNaN(value)) return null;
    const turn = direction(value, before, sameRatio);
    if (value < oversold && (signal !== 'turn' || turn === bullish)) {
      return { outputs: [value], verdict: bullish, strength: (oversold - value) / oversold };
    }
    if (value > overbought && (signal !== 'turn' || turn === bearish)) {
      const strength = (overbought - value) / (100 - overbought);
      return { outputs: [value], verdict: bearish, strength };
    }
    return { outputs: [value], verdict: neutral, strength: 0 };
  },
};

/** From 0 to 100; not a number while nothing moved. */
export const shareOf = (gain: number, loss: number): number => 100 * (gain / (gain + loss));

/**
 * The last values of the index, as many as there is room for, each not a number while nothing moved. They are shares
 * of sums that keep what they have of each bar but the period's part, as Wilder wrote them: its averages times the period.
 */
export function lastOfRsi(
  close: Float64Array,
  candles: number,
  values: Float64Array,
): Float64Array {
  const period = whole(candles);
  const first = close.length - values.length;
  const from = Math.max(1, first + 1 - memory * period);
  const kept = 1 - 1 / period;
  let gain = 0;
  let loss = 0;
  for (let index = from; index < close.length; index++) {
    const move = (close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN);
    const size = Math.abs(move);
    if (index >= from + period) {
      gain *= kept;
      loss *= kept;
    }
    gain += size + move;
    loss += size - move;
    if (index >= first) values[index - first] = shareOf(gain, loss);
  }
  return values;
}
