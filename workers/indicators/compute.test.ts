import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maCross } from './catalog/ma_cross.ts';
import { computeValues } from './compute.ts';
import type { ComputedValue, Definition, Work } from './indicator.ts';
import type { Candle, Kind } from './kind.ts';

const kinds = new Map<string, Kind>([[maCross.kind, maCross]]);
const bucketAt = (index: number): string =>
  `${new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString().slice(0, 19).replace('T', ' ')}+00`;

const definition = (id: number, fast: number, slow: number): Definition => ({
  indicator_id: id,
  kind: 'ma_cross',
  params: { fast, slow },
  bars_required: slow,
});
const definitions = [definition(1, 1, 2), definition(2, 3, 10), definition(3, 5, 7)];
const longest = 10;

/** What the database gives for changed candles from one index to another: with the windows around. */
function workFor(candles: readonly Candle[], from: number, to: number): Work {
  return {
    instrumentId: 1,
    timeframe: '1m',
    side: 'mid',
    fromBucket: candles[from]?.bucket ?? '',
    toBucket: candles[to]?.bucket ?? '',
    revision: '7',
    claimedBuckets: [],
    claimedRevisions: [],
    indicators: definitions,
    candles: candles.slice(Math.max(0, from - longest + 1), to + longest),
  };
}

const sorted = (values: readonly ComputedValue[]): ComputedValue[] =>
  [...new Map(values.map(value => [`${value.indicatorId} ${value.bucket}`, value]))]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);

const candleAt = (index: number, close: number): Candle => ({
  bucket: bucketAt(index),
  open: close,
  high: close,
  low: close,
  close,
  sum: close,
  volume: null,
  tickCount: 1,
});

const series = fc
  .array(
    fc.tuple(fc.double({ min: 0.01, max: 1e5, noNaN: true }), fc.integer({ min: 1, max: 3 })),
    {
      minLength: 1,
      maxLength: 60,
      size: 'max',
    },
  )
  .map(prices => {
    let at = 0;
    return prices.map(([close, step]): Candle => {
      at += step;
      return candleAt(at, close);
    });
  });

describe('computeValues', () => {
  it('gives equal values however the work is split', () => {
    fc.assert(
      fc.property(series, fc.array(fc.nat(59), { maxLength: 8 }), (candles, cuts) => {
        const last = candles.length - 1;
        const whole = computeValues(workFor(candles, 0, last), kinds);
        const edges = [0, ...cuts.filter(cut => cut <= last), last + 1].toSorted((a, b) => a - b);
        const parts = edges.flatMap((from, index) => {
          const end = edges[index + 1];
          return end === undefined || end <= from
            ? []
            : computeValues(workFor(candles, from, end - 1), kinds);
        });
        expect(sorted(parts)).toEqual(sorted(whole));
        expect(whole).toHaveLength(candles.length * definitions.length);
      }),
    );
  });

  it('computes after a change all values whose window holds it, and no other', () => {
    fc.assert(
      fc.property(series, fc.nat(59), (candles, place) => {
        const changed = place % candles.length;
        for (const { indicator_id, bars_required } of definitions) {
          const buckets = computeValues(workFor(candles, changed, changed), kinds)
            .filter(value => value.indicatorId === indicator_id)
            .map(value => value.bucket);
          expect(buckets).toEqual(
            candles.slice(changed, changed + bars_required).map(candle => candle.bucket),
          );
        }
      }),
    );
  });

  it('has no value while the window is not full, and says how much of it is there', () => {
    const candles = Array.from({ length: 12 }, (_, index) => candleAt(index, 1 + index));
    const values = computeValues(workFor(candles, 0, 11), kinds).filter(
      value => value.indicatorId === 2,
    );
    expect(values.slice(0, 10).map(value => [value.bars, value.value === null])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index + 1, index < 9]),
    );
  });

  it('leaves kinds of another service alone, and has nothing to say without candles', () => {
    const [candle] = fc.sample(series, { numRuns: 1, seed: 1 })[0] ?? [];
    const work = workFor(candle === undefined ? [] : [candle], 0, 0);
    expect(computeValues(work, new Map())).toEqual([]);
    expect(computeValues({ ...work, candles: [] }, kinds)).toEqual([]);
  });
});
