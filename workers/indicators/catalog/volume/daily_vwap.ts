import type { Kind } from '../../kind.ts';
import { last } from '../../smoothing.ts';
import { vwapOf } from './vwap.ts';

const day = 86_400;

/** VWAP of the UTC day: the average price since midnight, each bar weighing by what was traded in it. */
export const dailyVwap: Kind<
  'start' | 'high' | 'low' | 'close' | 'typical' | 'volume' | 'tick_count',
  { period: number }
> = {
  kind: 'daily_vwap',
  description:
    'VWAP of the UTC day: the average of the typical prices since 00:00 UTC by volume, and how far the close is from it; by the number of ticks where no bar of the day has a size. The period is as many bars as a day may have, 1,440 of one minute or 288 of five; no value of a later bar of a day that has more',
  rule: 'Bullish while the close is above the average, bearish while it is below, neutral while they are equal. The strength is their distance as a part of the farthest one from the close, of these typical prices and of the newest high and low.',
  label: 'VWAP of the day, {period} bars',
  definition:
    'Volume-weighted average price, begun anew at 00:00 UTC: typical price (high + low + close) / 3 times volume, summed and divided by the volume',
  parameters: [{ name: 'period', type: 'integer', min: 1, max: 5_000, default: 1_440 }],
  columns: ['start', 'high', 'low', 'close', 'typical', 'volume', 'tick_count'],
  bars: { least: [{ plus: 1 }], window: [{ period: 1 }] },
  outputs: [
    { name: 'vwap', unit: 'price', pane: 'price' },
    { name: 'distance', unit: 'percent', pane: 'own', thresholds: [0] },
  ],
  isClosedOnly: false,
  defaults: [{ timeframe: '15m', params: { period: 96 } }],
  compute(columns, { period }) {
    const { start } = columns;
    const midnight = Math.floor(last(start) / day) * day;
    const from = firstSince(start, midnight);
    const isWhole = from > 0 || start[0] === midnight || start.length < period;
    return isWhole ? vwapOf(columns, from) : null;
  },
};

/** The first bar that begins then or later: they are in order. */
function firstSince(start: Float64Array, second: number): number {
  let from = 0;
  let to = start.length;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if ((start[middle] ?? Number.NaN) < second) from = middle + 1;
    else to = middle;
  }
  return from;
}
