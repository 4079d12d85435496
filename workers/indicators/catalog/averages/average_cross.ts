import type { Columns, Kind } from '../../kind.ts';
import { ema, last, sma, wma } from '../../smoothing.ts';
import { doubleExponential } from './dema.ts';
import { hull } from './hma.ts';
import { compared } from './price_against.ts';
import { tripleExponential } from './tema.ts';
import { volumeWeighted } from './vwma.ts';

type Read = Columns<'close' | 'volume' | 'tick_count'>;

const averages: Readonly<Record<string, (columns: Read, period: number) => number>> = {
  sma: ({ close }, period) => last(sma(close.subarray(-period), period)),
  ema: ({ close }, period) => last(ema(close, period)),
  wma: ({ close }, period) => last(wma(close.subarray(-period), period)),
  hma: ({ close }, period) => hull(close, period),
  vwma: volumeWeighted,
  dema: ({ close }, period) => doubleExponential(close, period),
  tema: ({ close }, period) => tripleExponential(close, period),
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
  compute({ close, volume, tick_count }, { fast, slow, fast_average, slow_average }) {
    // Distances from the newest close, so that equal prices give exactly that price.
    const price = last(close);
    const columns = { close: close.map(each => each - price), volume, tick_count };
    const fastAverage = averages[fast_average]?.(columns, fast) ?? Number.NaN;
    const slowAverage = averages[slow_average]?.(columns, slow) ?? Number.NaN;
    const difference = fastAverage - slowAverage;
    const reading = compared(difference, columns.close, price);
    if (reading === null) return null;
    return { outputs: [difference, price + fastAverage, price + slowAverage], ...reading };
  },
};
