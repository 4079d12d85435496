import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maCross } from './catalog/averages/ma_cross.ts';
import { computeValues, type Failure } from './compute.ts';
import type { Candle, Kind } from './kind.ts';
import type { ComputedValue, Definition, Work } from './service.ts';

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
    timeframe: '1m',
    fromBucket: candles[from]?.bucket ?? '',
    toBucket: candles[to]?.bucket ?? '',
    revision: '7',
    isHistory: false,
    workIds: [],
    indicators: definitions,
    candles: candles.slice(Math.max(0, from - longest + 1), to + longest),
  };
}

/** All values, none of which may fail. */
const valuesOf = (work: Work): ComputedValue[] => [
  ...computeValues(work, kinds, ({ error }) => {
    throw error;
  }),
];

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
        const whole = valuesOf(workFor(candles, 0, last));
        const edges = [0, ...cuts.filter(cut => cut <= last), last + 1].toSorted((a, b) => a - b);
        const parts = edges.flatMap((from, index) => {
          const end = edges[index + 1];
          return end === undefined || end <= from ? [] : valuesOf(workFor(candles, from, end - 1));
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
          const buckets = valuesOf(workFor(candles, changed, changed))
            .filter(value => value.indicatorId === indicator_id)
            .map(value => value.bucket);
          // The newest first: it is what somebody looks at.
          expect(buckets.toReversed()).toEqual(
            candles.slice(changed, changed + bars_required).map(candle => candle.bucket),
          );
        }
      }),
    );
  });

  it('has no value while the window is not full, and says how much of it is there', () => {
    const candles = Array.from({ length: 12 }, (_, index) => candleAt(index, 1 + index));
    const values = valuesOf({ ...workFor(candles, 0, 11), isHistory: true }).filter(
      value => value.indicatorId === 2,
    );
    expect(values.slice(0, 10).map(value => [value.bars, value.value === null])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index + 1, index < 9]),
    );
  });

  it('tells which indicator cannot be computed and where, and goes on with the others', () => {
    const candles = Array.from({ length: 12 }, (_, index) => candleAt(index, 1 + index));
    const broken: Kind = {
      ...maCross,
      compute: (window, params) => {
        if (params.slow === 10) throw new Error('too hard');
        return maCross.compute(window, params);
      },
    };
    const failures: Failure[] = [];
    const work = { ...workFor(candles, 0, 11), isHistory: true };
    const values = [
      ...computeValues(work, new Map([[broken.kind, broken]]), failure => failures.push(failure)),
    ];
    expect(failures).toEqual([
      { definition: definitions[1], bucket: bucketAt(9), error: new Error('too hard') },
    ]);
    const of = (id: number) => values.filter(value => value.indicatorId === id);
    expect(of(2).map(value => value.bucket)).toEqual(candles.slice(0, 9).map(each => each.bucket));
    const whole = valuesOf(work).filter(value => value.indicatorId !== 2);
    expect([...of(1), ...of(3)]).toEqual([
      ...whole.filter(value => value.indicatorId === 1),
      ...whole.filter(value => value.indicatorId === 3),
    ]);
  });

  it('calls a kind that there is not a failure, and has nothing to say without candles', () => {
    const work = workFor([candleAt(0, 1)], 0, 0);
    const failures: Failure[] = [];
    const ofOne = { ...work, indicators: [definition(1, 1, 1)] };
    expect([...computeValues(ofOne, new Map(), failure => failures.push(failure))]).toEqual([]);
    expect(failures).toHaveLength(1);
    expect(valuesOf({ ...work, candles: [] })).toEqual([]);
  });
});
