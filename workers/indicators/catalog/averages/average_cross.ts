import type { Columns, Kind } from '../../kind.ts';
import { last } from '../../smoothing.ts';
import { doubleExponential } from './dema.ts';
import { exponential } from './ema.ts';
import { hull } from './hma.ts';
import { compared } from './price_against.ts';
import { simple } from './sma.ts';
import { tripleExponential } from './tema.ts';
import { volumeWeighted } from './vwma.ts';
import { weighted } from './wma.ts';

type Read = Columns<'close' | 'volume' | 'tick_count'>;

type Average = (columns: Read, period: number, origin: number) => number;

const averages: Readonly<Record<string, Average>> = {
  sma: ({ close }, period, origin) => simple(close, period, origin),
  ema: ({ close }, period, origin) => exponential(close, period, origin),
  wma: ({ close }, period, origin) => weighted(close, period, origin),
  hma: ({ close }, period, origin) => hull(close, period, origin),
  vwma: volumeWeighted,
  dema: ({ close }, period, origin) => doubleExponential(close, period, origin),
  tema: ({ close }, period, origin) => tripleExponential(close, period, origin),
};
const choices = Object.keys(averages);

/**
 * Beside `ma_cross`, whose window is as long as its slow period: how long a window has to be cannot depend on a
 * choice, so here it is that of the average which forgets most slowly.
 */
export const averageCross: Kind<
  'close' | 'volume' | 'tick_count',
  { fast: number; slow: number; fast_average: string; slow_average: string }
> = {
  kind: 'average_cross',
  description:
    'Cross of two moving averages of any type. DEMA has its first value after 2, TEMA after 3 times its period',
  rule: 'Bullish while the fast average is above the slow one, bearish while it is below, neutral while they are equal but for rounding. The strength is their distance as a part of the range of the closes in the window, at most 1.',
  label: '{fast_average} {fast} / {slow_average} {slow} cross',
  definition: 'The averages are those of the kinds of the same names; the value is fast minus slow',
  parameters: [
    { name: 'fast', type: 'integer', min: 2, max: 269, default: 12, less_than: 'slow' },
    { name: 'slow', type: 'integer', min: 3, max: 270, default: 26 },
    { name: 'fast_average', type: 'choice', choices, default: 'ema' },
    { name: 'slow_average', type: 'choice', choices, default: 'ema' },
  ],
  columns: ['close', 'volume', 'tick_count'],
  bars: { least: [{ slow: 1.0625, plus: 3 }], window: [{ slow: 18 }] },
  outputs: [
    { name: 'difference', unit: 'price', pane: 'own', thresholds: [0] },
    { name: 'fast', unit: 'price', pane: 'price' },
    { name: 'slow', unit: 'price', pane: 'price' },
  ],
  isClosedOnly: false,
  defaults: [],
  compute(columns, { fast, slow, fast_average, slow_average }) {
    // Distances from the newest close, so that equal prices give exactly that price.
    const price = last(columns.close);
    const fastAverage = averages[fast_average]?.(columns, fast, price) ?? Number.NaN;
    const slowAverage = averages[slow_average]?.(columns, slow, price) ?? Number.NaN;
    const difference = fastAverage - slowAverage;
    const reading = compared(difference, columns.close);
    if (reading === null) return null;
    return { outputs: [difference, price + fastAverage, price + slowAverage], ...reading };
  },
};
