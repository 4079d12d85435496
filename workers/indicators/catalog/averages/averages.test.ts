import fc from 'fast-check';
import { DEMA, EMA, SMA, WMA } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import type { Kind } from '../../kind.ts';
import { windowOf } from '../tests/golden.ts';
import { averageCross } from './average_cross.ts';
import { dema } from './dema.ts';
import { ema } from './ema.ts';
import { hma } from './hma.ts';
import { kama } from './kama.ts';
import { sma } from './sma.ts';
import { tema } from './tema.ts';
import { vwma } from './vwma.ts';
import { wma } from './wma.ts';

type Period = Kind<'close' | 'volume' | 'tick_count', { period: number }>;
const kinds: readonly Period[] = [sma, ema, wma, hma, vwma, dema, tema, kama];

const columns = (closes: readonly number[]) => ({
  close: Float64Array.from(closes),
  volume: Float64Array.from(closes, (_, index) => 1 + (index % 4)),
  tick_count: Float64Array.from(closes, () => 1),
});

/** Prices in steps of a hundredth. */
const walk = (length: number) =>
  fc
    .array(fc.integer({ min: -50, max: 50 }), { minLength: length, maxLength: length })
    .map(steps => {
      let price = 10_000;
      return steps.map(step => {
        price = Math.max(100, price + step);
        return price / 100;
      });
    });

describe.each(kinds.map(kind => [kind.kind, kind] as const))('%s', (_, kind) => {
  it('is bullish at the top of a rise, bearish at the bottom of a fall, where it lags', () => {
    // The others go beyond a price that moves faster and faster.
    if (![sma, ema, wma, vwma, kama].includes(kind)) return;
    const length = windowOf(kind, { period: 7 });
    const rise = Array.from({ length }, (_, index) => 100 * 1.001 ** index);
    expect(kind.compute(columns(rise), { period: 7 })?.verdict).toBe(1);
    expect(kind.compute(columns(rise.toReversed()), { period: 7 })?.verdict).toBe(-1);
  });

  it('has the side of the close for a verdict, and its distance for a strength', () => {
    const length = windowOf(kind, { period: 7 });
    fc.assert(
      fc.property(walk(length), closes => {
        const reading = kind.compute(columns(closes), { period: 7 });
        const distance = (closes.at(-1) ?? 0) - (reading?.outputs[0] ?? Number.NaN);
        const range = Math.max(...closes) - Math.min(...closes);
        if (Math.abs(distance) > 1e-9) expect(reading?.verdict).toBe(Math.sign(distance));
        const part = range === 0 ? 0 : Math.max(-1, Math.min(1, distance / range));
        // Its range is of the closes that it has not forgotten.
        if (kind !== kama) expect(reading?.strength).toBeCloseTo(part, 8);
      }),
    );
  });

  it('lies between the old and the new price when the newest candle jumps', () => {
    const length = windowOf(kind, { period: 5 });
    const jumped = Array.from({ length }, (_, index) => (index < length - 1 ? 10 : 12));
    const reading = kind.compute(columns(jumped), { period: 5 });
    expect(reading?.outputs[0]).toBeGreaterThan(10);
    expect(reading?.outputs[0]).toBeLessThanOrEqual(12);
  });

  it('has a value of as many closes as it says', () => {
    for (const period of [2, 3, 10]) {
      const [sum = {}] = kind.bars.least;
      const least = Math.ceil((sum.period ?? 0) * period + (sum.plus ?? 0));
      const closes = Array.from({ length: least }, (_, index) => 10 + (index % 3));
      expect(kind.compute(columns(closes), { period })).not.toBeNull();
    }
  });
});

describe.each([
  ['sma', sma],
  ['ema', ema],
  ['wma', wma],
  ['dema', dema],
  ['tema', tema],
] as const)('%s', (_, kind: Period) => {
  it('has no value of fewer closes than it says', () => {
    for (const period of [2, 3, 10]) {
      const [sum = {}] = kind.bars.least;
      const length = (sum.period ?? 0) * period + (sum.plus ?? 0) - 1;
      const closes = Array.from({ length }, (_, index) => 10 + (index % 3));
      expect(kind.compute(columns(closes), { period })).toBeNull();
    }
  });
});

describe('sma', () => {
  it.each([
    [[1, 2, 3], 2, 1, 0.5],
    [[5, 1, 3], 3, 0, 0],
    [[6, 2, 1], 3, -1, -0.4],
  ])('of %j is %d with verdict %d and strength %d', (closes, value, verdict, strength) => {
    expect(sma.compute(columns(closes), { period: 3 })).toEqual({
      outputs: [value],
      verdict,
      strength,
    });
  });
});

describe('a verdict', () => {
  it('does not come from rounding when a close equals its average', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 200_000 }),
        fc.integer({ min: 1, max: 99 }),
        (price, step) => {
          const closes = [price - step, price + step, price].map(each => each / 100);
          expect(sma.compute(columns(closes), { period: 3 })).toMatchObject({
            verdict: 0,
            strength: 0,
          });
        },
      ),
    );
    expect(sma.compute(columns([1.1, 1.3, 1.2]), { period: 3 })?.verdict).toBe(0);
  });
});

describe('hma', () => {
  it('has as many closes as it needs, whatever its period is', () => {
    for (let period = 2; period <= 400; period++) {
      const needed = period + Math.floor(Math.sqrt(period)) - 1;
      expect(windowOf(hma, { period })).toBeGreaterThanOrEqual(needed);
      const closes = Array.from({ length: needed }, (_, index) => 10 + (index % 3));
      expect(hma.compute(columns(closes), { period })).not.toBeNull();
      expect(hma.compute(columns(closes.slice(1)), { period })).toBeNull();
    }
  });
});

describe('vwma', () => {
  const given = (volume: number[], tick_count: number[]) => ({
    close: Float64Array.of(10, 20, 40),
    volume: Float64Array.from(volume),
    tick_count: Float64Array.from(tick_count),
  });
  const none = Number.NaN;

  it.each([
    ['the sizes', [1, 1, 2], [9, 1, 1], (10 + 20 + 80) / 4],
    ['no size for nothing where others have one', [1, none, 1], [9, 9, 9], 25],
    ['the ticks where none has a size', [none, none, none], [2, 1, 1], 20],
    ['the ticks where all sizes are 0', [0, 0, none], [2, 1, 1], 20],
  ])('weighs by %s', (_, volume, ticks, value) => {
    expect(vwma.compute(given(volume, ticks), { period: 3 })?.outputs[0]).toBeCloseTo(value, 12);
  });
});

describe('kama', () => {
  it('follows at once a market that goes straight, and hardly one that goes to and fro', () => {
    const straight = Array.from({ length: 200 }, (_, index) => 100 + index);
    // At full efficiency it takes 4/9 of the way, so it lags by 5/4 of a step.
    expect(kama.compute(columns(straight), { period: 10 })?.outputs[0]).toBeCloseTo(
      299 - (1 - 4 / 9) / (4 / 9),
      9,
    );
    const restless = Array.from({ length: 200 }, (_, index) =>
      index === 0 ? 100 : 110 + (index % 2),
    );
    const [value = Number.NaN] = kama.compute(columns(restless), { period: 10 })?.outputs ?? [];
    expect(value).toBeLessThan(111);
  });

  it('is as strong as its distance is a part of the range of what it is made of', () => {
    // Each close leaves 5/9 to the older ones: after 40 of them that is less than 1e-10.
    const straight = Array.from({ length: 200 }, (_, index) => 100 + index);
    const reading = kama.compute(columns(straight), { period: 10 });
    expect(reading?.strength).toBeCloseTo(5 / 4 / 40, 9);
    const forgotten = straight.with(140, 1_000);
    expect(kama.compute(columns(forgotten), { period: 10 })).toEqual(reading);
    const counted = straight.with(165, 1_000);
    expect(kama.compute(columns(counted), { period: 10 })?.strength).toBeLessThan(0.02);
  });
});

describe('average_cross', () => {
  const cross = { fast: 5, slow: 8 };
  const length = windowOf(averageCross, cross);
  const choices: Record<string, Period> = { sma, ema, wma, hma, vwma, dema, tema };
  const names = fc.constantFrom(...Object.keys(choices));

  it('compares the averages of the kinds of these names', () => {
    fc.assert(
      fc.property(walk(length), names, names, (closes, fast_average, slow_average) => {
        const reading = averageCross.compute(columns(closes), {
          ...cross,
          fast_average,
          slow_average,
        });
        const [difference = Number.NaN, fast = Number.NaN, slow = Number.NaN] =
          reading?.outputs ?? [];
        expect(fast).toBe(
          choices[fast_average]?.compute(columns(closes), { period: 5 })?.outputs[0],
        );
        expect(slow).toBe(
          choices[slow_average]?.compute(columns(closes), { period: 8 })?.outputs[0],
        );
        expect(difference).toBeCloseTo(fast - slow, 9);
        if (Math.abs(difference) > 1e-9) expect(reading?.verdict).toBe(Math.sign(difference));
        const range = Math.max(...closes) - Math.min(...closes);
        const part = range === 0 ? 0 : Math.max(-1, Math.min(1, difference / range));
        expect(reading?.strength).toBeCloseTo(part, 9);
      }),
    );
  });

  it('offers every average that forgets within its window', () => {
    const offered = averageCross.parameters.flatMap(each =>
      each.type === 'choice' ? [each.choices] : [],
    );
    expect(offered).toEqual([Object.keys(choices), Object.keys(choices)]);
    for (const kind of Object.values(choices)) {
      expect(windowOf(kind, { period: 270 })).toBeLessThanOrEqual(
        windowOf(averageCross, { slow: 270 }),
      );
    }
  });

  it('has no value while one of its averages has none', () => {
    const closes = columns(Array.from({ length: 21 }, (_, index) => 10 + (index % 3)));
    const of = (slow_average: string) =>
      averageCross.compute(closes, { ...cross, fast_average: 'sma', slow_average });
    expect(of('dema')).not.toBeNull();
    expect(of('tema')).toBeNull();
  });
});

describe('another implementation', () => {
  it.each([
    ['sma', sma, SMA],
    ['wma', wma, WMA],
    ['ema', ema, EMA],
    ['dema', dema, DEMA],
  ] as const)('agrees about %s', (_, kind: Period, Other) => {
    // Its exponential means begin with the first close, which the window has forgotten.
    const period = fc.integer({ min: 2, max: 12 });
    fc.assert(
      fc.property(walk(400), period, (closes, length) => {
        const other = new Other(length);
        for (const close of closes) other.update(close, false);
        const window = closes.slice(-windowOf(kind, { period: length }));
        expect(kind.compute(columns(window), { period: length })?.outputs[0]).toBeCloseTo(
          Number(other.getResult()),
          6,
        );
      }),
    );
  });
});
