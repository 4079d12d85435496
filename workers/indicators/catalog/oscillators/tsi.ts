import { type Kind, neutral } from '../../kind.ts';
import { ema } from '../../smoothing.ts';
import { direction, sameRatio } from './direction.ts';

/** True Strength Index: moves of the close, smoothed twice, as a part of their sizes, smoothed twice. */
export const tsi: Kind<'close', { long: number; short: number }> = {
  kind: 'tsi',
  description:
    'True Strength Index: the twice smoothed moves of the close as a part of their twice smoothed sizes, from -100 to 100',
  rule: 'Bullish above 0, bearish below, neutral at 0. The strength is its hundredth part.',
  label: 'TSI {long}/{short}',
  definition:
    'William Blau, Momentum, Direction, and Divergence (1995); exponential averages seeded with the plain mean; no value before the first move',
  parameters: [
    { name: 'long', type: 'integer', min: 2, max: 170, default: 25 },
    { name: 'short', type: 'integer', min: 2, max: 170, default: 13 },
  ],
  columns: ['close'],
  // Two averages one upon the other forget in the sum of what each needs, to 1e-9.
  bars: { least: [{ long: 1, short: 1 }], window: [{ long: 14, short: 14, plus: 1 }] },
  outputs: [{ name: 'tsi', unit: 'ratio', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }, { long, short }) {
    const moves = ema(long);
    const smoothMoves = ema(short);
    const sizes = ema(long);
    const smoothSizes = ema(short);
    for (let index = 1; index < close.length; index++) {
      const move = (close[index] ?? Number.NaN) - (close[index - 1] ?? Number.NaN);
      smoothMoves.next(moves.next(move));
      smoothSizes.next(sizes.next(Math.abs(move)));
    }
    // Not beyond 1 by rounding.
    const part = Math.max(-1, Math.min(1, smoothMoves.mean / smoothSizes.mean));
    const value = 100 * part;
    const verdict = direction(value, 0, sameRatio);
    return { outputs: [value], verdict, strength: verdict === neutral ? 0 : part };
  },
};
