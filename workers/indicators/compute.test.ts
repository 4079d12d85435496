import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maCross } from './catalog/averages/ma_cross.ts';
import { computeValues, type Failure } from './compute.ts';
import type { Kind, Reading } from './kind.ts';
import type { ComputedValue, Definition, Work } from './service.ts';
import { type Candle, seriesOf } from './window.ts';

const kinds = new Map<string, Kind>([[maCross.kind, maCross]]);
const bucketAt = (index: number): string =>
  `${new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString().slice(0, 19).replace('T', ' ')}+00`;

const definition = (id: number, fast: number, slow: number): Definition => ({
  indicator_id: id,
  kind: 'ma_cross',
  params: { fast, slow },
  bars_required: slow,
  bars_window: slow,
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
    closedTo: '9',
    isHistory: false,
    workIds: [],
    indicators: definitions,
    series: seriesOf(candles.slice(Math.max(0, from - longest + 1), to + longest)),
  };
}

const reading = (outputs: readonly number[]): Reading => ({ outputs, verdict: 1, strength: 0.5 });

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
  tick_count: 1,
  spread: null,
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
    expect(values.slice(0, 10).map(value => [value.bars, value.reading === null])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index + 1, index < 9]),
    );
  });

  it('tells which indicator cannot be computed and where, and goes on with the others', () => {
    const candles = Array.from({ length: 12 }, (_, index) => candleAt(index, 1 + index));
    const broken: Kind = {
      ...maCross,
      compute: (columns, params) => {
        if (params.slow === 10) throw new Error('too hard');
        return maCross.compute(columns, { fast: Number(params.fast), slow: Number(params.slow) });
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
    expect(valuesOf({ ...work, series: seriesOf([]) })).toEqual([]);
  });

  it('settles: takes what there is of the window, and says how much that was', () => {
    const candles = Array.from({ length: 8 }, (_, index) => candleAt(index, 1 + index));
    const lengths: Kind = { ...maCross, compute: ({ close }) => reading([close.length, 0, 0]) };
    const indicators = [{ ...definition(1, 1, 2), bars_required: 2, bars_window: 5 }];
    const values = [
      ...computeValues(
        { ...workFor(candles, 0, 7), isHistory: true, indicators },
        new Map([['ma_cross', lengths]]),
        ({ error }) => {
          throw error;
        },
      ),
    ];
    expect(values.map(value => [value.bars, value.reading?.outputs[0]])).toEqual([
      [1, undefined],
      ...[2, 3, 4, 5, 5, 5, 5].map(bars => [bars, bars]),
    ]);
  });

  it('computes the values whose whole window holds a changed candle', () => {
    const candles = Array.from({ length: 20 }, (_, index) => candleAt(index, 1 + index));
    const indicators = [{ ...definition(1, 1, 2), bars_window: 5 }];
    const values = valuesOf({ ...workFor(candles, 10, 10), indicators });
    expect(values.map(value => value.bucket).toReversed()).toEqual(
      candles.slice(10, 15).map(candle => candle.bucket),
    );
  });

  it('has no value of a candle that was not closed, where its kind reads only closed ones', () => {
    const candles = Array.from({ length: 6 }, (_, index) => candleAt(index, 1 + index));
    const closed: Kind = { ...maCross, compute: () => reading([1, 1, 1]), isClosedOnly: true };
    const work = { ...workFor(candles, 0, 5), isHistory: true, closedTo: bucketAt(3) };
    const bucketsOf = (kind: Kind) => [
      ...new Set(
        [...computeValues(work, new Map([['ma_cross', kind]]), () => undefined)].map(
          value => value.bucket,
        ),
      ),
    ];
    const all = candles.map(candle => candle.bucket);
    expect(bucketsOf(closed)).toEqual(all.slice(0, 4));
    expect(bucketsOf({ ...closed, isClosedOnly: false })).toEqual(all);
  });

  it.each([
    ['1 outputs instead of 3', reading([1])],
    ['strength 2 with verdict 1', { ...reading([1, 1, 1]), strength: 2 }],
    ['strength -0.5 with verdict 1', { ...reading([1, 1, 1]), strength: -0.5 }],
    ['strength NaN with verdict 1', { ...reading([1, 1, 1]), strength: Number.NaN }],
    [
      'a forecast from 2 to 1 in 3 bars',
      { ...reading([1, 1, 1]), forecast: { horizon: 3, low: 2, high: 1 } },
    ],
    [
      'a forecast from 1 to 2 in 0 bars',
      { ...reading([1, 1, 1]), forecast: { horizon: 0, low: 1, high: 2 } },
    ],
  ])('calls it a failure when a kernel gives %s', (reason, given) => {
    const failures: Failure[] = [];
    const work = { ...workFor([candleAt(0, 1)], 0, 0), indicators: [definition(1, 1, 1)] };
    const kind: Kind = { ...maCross, compute: () => given };
    const values = computeValues(work, new Map([['ma_cross', kind]]), failure =>
      failures.push(failure),
    );
    expect([...values]).toEqual([]);
    expect(failures.map(({ error }) => (error as Error).message)).toEqual([reason]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('has no value where an output is %d', number => {
    const work = { ...workFor([candleAt(0, 1)], 0, 0), indicators: [definition(1, 1, 1)] };
    const kind: Kind = { ...maCross, compute: () => reading([1, 1, number]) };
    const values = computeValues(work, new Map([['ma_cross', kind]]), ({ error }) => {
      throw error;
    });
    expect([...values]).toMatchObject([{ reading: null, bars: 1 }]);
  });
});
