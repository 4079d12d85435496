import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalog } from '../catalog.ts';
import { computeValues, readingAt } from '../compute.ts';
import type { Kind, Parameter, Params, Reading } from '../kind.ts';
import type { Definition, Work } from '../service.ts';
import { type Candle, type Series, seriesOf } from '../window.ts';
import { longest, windowOf } from './tests/golden.ts';

// What must hold for every kind, whatever it computes.

const kinds = [...catalog.values()];

function definitionOf(kind: Kind, params: Params): Definition {
  return {
    indicator_id: 1,
    kind: kind.kind,
    params,
    bars_required: longest(kind.bars.least, params),
    bars_window: windowOf(kind, params),
  };
}

const presetsOf = (kind: Kind): Params =>
  Object.fromEntries(kind.parameters.map(each => [each.name, each.default]));

/** Parameters within their bounds, small enough that their windows fill. */
function paramsOf(kind: Kind): fc.Arbitrary<Params> {
  const given = (parameter: Parameter): fc.Arbitrary<number | string> => {
    if (parameter.type === 'choice') return fc.constantFrom(...parameter.choices);
    const max = Math.min(parameter.max, Math.max(parameter.min, 20));
    return parameter.type === 'integer'
      ? fc.integer({ min: parameter.min, max })
      : fc.double({ min: parameter.min, max, noNaN: true });
  };
  return fc
    .record(Object.fromEntries(kind.parameters.map(each => [each.name, given(each)])))
    .filter(params =>
      kind.parameters.every(
        each =>
          each.type === 'choice' ||
          each.less_than === undefined ||
          Number(params[each.name]) < Number(params[each.less_than]),
      ),
    );
}

/** Their strength depends on how large a change is beside the price. */
const relative = ['trix', 'rate_of_change'];

const longestWalk = 6_000;

/** A minute each; a day ends among them. */
const buckets = Array.from({ length: longestWalk }, (_, index) => {
  const start = new Date(Date.UTC(2026, 0, 1, 23, 40) + index * 60_000);
  return `${start.toISOString().slice(0, 19).replace('T', ' ')}+00`;
});
const bucketAt = (index: number): string => buckets[index] ?? '';

/** Closes with all that belongs to a candle; sizes are missing in some of them. */
const candlesOf = (closes: readonly number[]): Candle[] =>
  closes.map((close, index) => {
    const open = closes[index - 1] ?? close;
    return {
      bucket: bucketAt(index),
      open,
      high: Math.max(open, close),
      low: Math.min(open, close),
      close,
      sum: 3 * close,
      volume: index % 3 === 0 ? null : 1 + (index % 5),
      tick_count: 3,
      // Divided by powers of two, so that no rounding comes in.
      spread: close / 2 ** (10 + (index % 3)),
    };
  });

const bitsOf = ({ columns }: Series): Buffer =>
  Buffer.concat(Object.values(columns).map(column => Buffer.from(column.slice().buffer)));

const readingOf = (
  kind: Kind,
  params: Params,
  candles: readonly Candle[],
  at = candles.length - 1,
) => readingAt(seriesOf(candles), at, kind, definitionOf(kind, params)).reading;

const lengthFor = (kind: Kind, params: Params): number => definitionOf(kind, params).bars_window;

/**
 * Prices that go anywhere: steps up and down, jumps, and stretches without a move. All of a number, as many of them
 * would be slow to draw one by one.
 */
const walk = (length: number): fc.Arbitrary<number[]> =>
  fc.nat(2 ** 31 - 1).map(seed => {
    let state = seed;
    const draw = (count: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * count);
    };
    let price = 100_000;
    return Array.from({ length }, () => {
      const turn = draw(9);
      const step = turn < 6 ? draw(101) - 50 : turn < 8 ? 0 : draw(8_001) - 4_000;
      price = Math.max(1_000, price + step);
      return price / 1_000;
    });
  });

describe.each(kinds.map(kind => [kind.kind, kind] as const))('%s', (_, kind) => {
  const presets = presetsOf(kind);

  const givenWindow = fc.tuple(paramsOf(kind), fc.nat(40)).chain(([params, more]) =>
    fc.record({
      params: fc.constant(params),
      more: fc.constant(more),
      closes: walk(lengthFor(kind, params) + more),
    }),
  );

  function expectSound(reading: Reading | null): void {
    if (reading === null) return;
    expect(reading.outputs).toHaveLength(kind.outputs.length);
    expect(reading.outputs.every(Number.isFinite)).toBe(true);
    expect([-1, 0, 1]).toContain(reading.verdict);
    expect(Math.abs(reading.strength)).toBeLessThanOrEqual(1);
    if (reading.strength !== 0) expect(Math.sign(reading.strength)).toBe(reading.verdict);
    const { forecast } = reading;
    if (forecast === undefined) return;
    expect(forecast.low).toBeLessThanOrEqual(forecast.high);
    expect(forecast.horizon).toBeGreaterThanOrEqual(1);
  }

  it('says where its formula comes from and when it is what', () => {
    for (const text of [kind.description, kind.rule, kind.definition, kind.label]) {
      expect(text.length).toBeGreaterThan(0);
    }
    for (const [, name] of kind.label.matchAll(/\{(\w+)\}/g)) {
      expect(kind.parameters.map(parameter => parameter.name)).toContain(name);
    }
  });

  it('gives what it declares, with a strength of the sign of its verdict', () => {
    fc.assert(
      fc.property(givenWindow, ({ params, closes }) => {
        expectSound(readingOf(kind, params, candlesOf(closes)));
      }),
    );
  });

  it('has a value of a market that moves', () => {
    const closes = fc.sample(walk(lengthFor(kind, presets)), { numRuns: 20, seed: 1 });
    for (const each of closes) expect(readingOf(kind, presets, candlesOf(each))).not.toBeNull();
  });

  it('depends on nothing before its window', () => {
    fc.assert(
      fc.property(givenWindow, ({ params, closes, more }) => {
        const candles = candlesOf(closes);
        const window = candles.slice(more);
        expect(readingOf(kind, params, candles)).toEqual(readingOf(kind, params, window));
        const other = candlesOf(closes.map((close, index) => (index < more ? 7 * close : close)));
        // The first candle of the window opens where the one before closed.
        const own = candlesOf(closes.slice(more));
        expect(readingOf(kind, params, [...other.slice(0, more), ...own])).toEqual(
          readingOf(kind, params, own),
        );
      }),
    );
  });

  it('does not look ahead', () => {
    fc.assert(
      fc.property(givenWindow, fc.nat(), ({ params, closes }, place) => {
        const at = place % closes.length;
        const candles = candlesOf(closes);
        const known = readingOf(kind, params, candles.slice(0, at + 1));
        expect(readingOf(kind, params, candles, at)).toEqual(known);
      }),
    );
  });

  it('changes nothing of what it is given', () => {
    fc.assert(
      fc.property(givenWindow, ({ params, closes }) => {
        const series = seriesOf(candlesOf(closes));
        const before = bitsOf(series);
        const definition = definitionOf(kind, params);
        const first = readingAt(series, closes.length - 1, kind, definition);
        expect(bitsOf(series).equals(before)).toBe(true);
        expect(readingAt(series, closes.length - 1, kind, definition)).toEqual(first);
      }),
    );
  });

  it('is neutral or has no value while prices stand still', () => {
    fc.assert(
      fc.property(
        paramsOf(kind),
        fc.constantFrom(0.1, 0.3, 1.1, 1e-7, 1, 12_345.678, 1e9),
        (params, close) => {
          const still = candlesOf(Array.from({ length: lengthFor(kind, params) + 3 }, () => close));
          expect(readingOf(kind, params, still)?.verdict ?? 0).toBe(0);
        },
      ),
    );
  });

  it('says the same, and outputs in price grow along, when all prices are multiplied', () => {
    fc.assert(
      fc.property(givenWindow, fc.constantFrom(0.25, 2, 1_024), ({ params, closes }, factor) => {
        // A power of two, so that no rounding comes in.
        const [one, other] = [closes, closes.map(close => close * factor)].map(each =>
          readingOf(kind, params, candlesOf(each)),
        );
        expect(other?.verdict).toBe(one?.verdict);
        expect(other?.strength).toBe(one?.strength);
        for (const [place, { unit }] of kind.outputs.entries()) {
          const expected = one?.outputs[place];
          if (expected === undefined) continue;
          expect(other?.outputs[place]).toBe(unit === 'price' ? expected * factor : expected);
        }
      }),
    );
  });

  it('has no value when a number that it reads is missing from its window', () => {
    fc.assert(
      fc.property(givenWindow, fc.nat(), ({ params, closes, more }, place) => {
        const candles = candlesOf(closes);
        const length = lengthFor(kind, params);
        const at = more + (place % length);
        const broken = candles.map((candle, index) =>
          index === at
            ? {
                ...candle,
                open: Number.NaN,
                high: Number.NaN,
                low: Number.NaN,
                close: Number.NaN,
                spread: Number.NaN,
              }
            : candle,
        );
        const reading = readingOf(kind, params, broken);
        expectSound(reading);
        // The newest candle is in every formula.
        if (at === candles.length - 1) expect(reading).toBeNull();
      }),
    );
  });

  it('has no value of prices of zero and below if it needs others, and else says the same as of the same higher up', () => {
    fc.assert(
      fc.property(givenWindow, fc.nat(), ({ params, closes }, place) => {
        // Whole numbers, so that to move them rounds nothing.
        const whole = closes.map(close => Math.round(close * 1_000));
        const origin = whole[place % whole.length] ?? 0;
        const high = readingOf(kind, params, candlesOf(whole));
        const low = readingOf(kind, params, candlesOf(whole.map(close => close - origin)));
        expectSound(low);
        const { bars_window } = definitionOf(kind, params);
        const isInWindow = whole.length - (place % whole.length) <= bars_window;
        if (kind.needsPositive) {
          if (isInWindow) expect(low).toBeNull();
        } else if (low !== null && high !== null) {
          expect(low.verdict).toBe(high.verdict);
          if (!relative.includes(kind.kind)) expect(low.strength).toBeCloseTo(high.strength, 6);
        }
      }),
    );
  });

  it('stays sound at a rise, a fall, a jump and the ends of the scale', () => {
    const length = lengthFor(kind, presets);
    const line = (step: number) => Array.from({ length }, (_, index) => 1_000 + step * index);
    const jump = (factor: number) =>
      Array.from({ length }, (_, index) => (index === length - 1 ? factor : 1));
    for (const closes of [line(1), line(-0.1), jump(1e6), jump(1e-6)]) {
      expectSound(readingOf(kind, presets, candlesOf(closes)));
    }
    for (const scale of [1e-9, 1e14]) {
      const [closes = []] = fc.sample(walk(length), { numRuns: 1, seed: 2 });
      expectSound(readingOf(kind, presets, candlesOf(closes.map(close => close * scale))));
    }
  });

  /** Of as many candles at any place: while its window fills, and after it has. */
  it('gives the same bits however the work is split', () => {
    const stretch = 40;
    const given = fc.record({
      window: givenWindow,
      place: fc.nat(),
      cuts: fc.array(fc.nat(stretch - 1), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(given, ({ window: { params, closes }, place, cuts }) => {
        const definition = definitionOf(kind, params);
        const candles = candlesOf(closes);
        const compute = (from: number, to: number) => {
          const first = Math.max(0, from - definition.bars_window + 1);
          const work: Work = {
            timeframe: '1m',
            fromBucket: bucketAt(from),
            toBucket: bucketAt(to),
            closedTo: '9',
            revision: '1',
            isHistory: true,
            workIds: [],
            indicators: [definition],
            series: seriesOf(candles.slice(first, to + 1)),
          };
          return [
            ...computeValues(work, catalog, ({ error }) => {
              throw error;
            }),
          ];
        };
        const begin = place % Math.max(1, candles.length - stretch + 1);
        const end = Math.min(candles.length, begin + stretch);
        const edges = [begin, ...cuts.map(cut => Math.min(begin + cut, end)), end].toSorted(
          (a, b) => a - b,
        );
        const parts = edges.flatMap((from, index) => {
          const next = edges[index + 1];
          return next === undefined || next <= from ? [] : compute(from, next - 1);
        });
        expect(parts).toEqual(compute(begin, end - 1));
        expect(parts.length).toBe(end - begin);
      }),
      { numRuns: 30 },
    );
  });
});
