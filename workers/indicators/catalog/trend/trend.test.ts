import fc from 'fast-check';
import { ADX } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { windowOf } from '../tests/golden.ts';
import { adx } from './adx.ts';
import { aroon } from './aroon.ts';
import { heikinAshi } from './heikin_ashi.ts';
import { ichimoku } from './ichimoku.ts';
import { linearRegressionSlope } from './linear_regression_slope.ts';
import { parabolicSar } from './parabolic_sar.ts';
import { supertrend } from './supertrend.ts';

/** Open, high, low, close. */
type Bar = readonly [number, number, number, number];

const columns = (bars: readonly Bar[]) => ({
  open: Float64Array.from(bars, bar => bar[0]),
  high: Float64Array.from(bars, bar => bar[1]),
  low: Float64Array.from(bars, bar => bar[2]),
  close: Float64Array.from(bars, bar => bar[3]),
});
const flat = (price: number): Bar => [price, price, price, price];
/** The same market upside down. */
const mirrored = (bars: readonly Bar[]): Bar[] =>
  bars.map(([open, high, low, close]) => [100 - open, 100 - low, 100 - high, 100 - close]);

describe('ichimoku', () => {
  const params = { conversion: 2, base: 3, span: 5, displacement: 2 };
  const compute = (bars: readonly Bar[]) => ichimoku.compute(columns(bars), params);
  const rise = [10, 11, 12, 13, 14, 15, 16].map(flat);

  it('has its lines in one order in a rise, with the spans of candles before', () => {
    // Conversion of 15..16, base of 14..16; two candles before (13.5 + 13) / 2 and the middle of 10..14.
    const outputs = [15.5, 15, 13.25, 12];
    expect(compute(rise)).toEqual({ outputs, verdict: 1, strength: (16 - 12) / 6 });
    expect(compute(mirrored(rise))).toEqual({
      outputs: outputs.map(each => 100 - each),
      verdict: -1,
      strength: -(16 - 12) / 6,
    });
  });

  it.each([
    ['the close', [...rise.slice(0, 6), [16, 16, 16, 15.4]]],
    ['the conversion line', [...rise.slice(0, 4), flat(16), flat(15), flat(15.5)]],
    ['span A', [10, 14, 14, 12, 11, 20, 21].map(flat)],
  ] as [string, Bar[]][])('is neutral when %s is out of order', (_, bars) => {
    expect(compute(bars)).toMatchObject({ verdict: 0, strength: 0 });
  });
});

describe('supertrend', () => {
  const params = { period: 2, multiplier: 1 };
  const compute = (bars: readonly Bar[]) => supertrend.compute(columns(bars), params);
  // An ATR of 2 around 10: the bands are 8 and 12.
  const quiet = Array.from({ length: 10 }, (): Bar => [10, 11, 9, 10]);
  const up: Bar = [10, 14, 10, 14];
  const down: Bar = [8, 8, 6, 6];

  it('has no value before a close has crossed a band', () => {
    expect(compute(quiet)).toBeNull();
    expect(compute([...quiet, [10, 12, 10, 12]])).toBeNull();
  });

  it('follows the band that a close has crossed, until one crosses the other', () => {
    // The ATR becomes (2 + 4) / 2 and the lower band 12 - 3, the upper one stays.
    expect(compute([...quiet, up])).toEqual({ outputs: [9], verdict: 1, strength: 5 / 6 });
    // Then (3 + 8) / 2; after a close above it the upper band is 7 + 5.5.
    expect(compute([...quiet, up, down])).toEqual({
      outputs: [12.5],
      verdict: -1,
      strength: -6.5 / 11,
    });
  });

  it('keeps its side and its line while nothing is crossed', () => {
    const after = compute([...quiet, up, [13, 13, 11, 11]]);
    expect(after).toMatchObject({ verdict: 1, outputs: [9] });
  });

  it('says the opposite of a market upside down', () => {
    const bars = [...quiet, up, down, up];
    const [one, other] = [compute(bars), compute(mirrored(bars))];
    expect(other?.verdict).toBe(-(one?.verdict ?? 0));
    expect(other?.strength).toBeCloseTo(-(one?.strength ?? 0), 12);
  });

  it('turns, whatever it was, when a close is beyond both bands', () => {
    const narrow = { period: 20, multiplier: 0.5 };
    const still = Array.from({ length: 21 }, (): Bar => [10, 10.1, 9.9, 10]);
    // It falls far and closes at its high: below the old lower band, above the new upper one.
    const both: Bar = [6, 6, 2, 6];
    const of = (bars: readonly Bar[]) => supertrend.compute(columns(bars), narrow);
    expect(of([...still, both])).toBeNull();
    expect(of([...still, [10, 12, 10, 12], both])).toMatchObject({ verdict: -1 });
  });
});

describe('parabolic_sar', () => {
  const compute = (bars: readonly Bar[]) =>
    parabolicSar.compute(columns(bars), { acceleration: 0.02, maximum: 0.2 });
  const rise: Bar[] = [
    [9, 10, 9, 10],
    [10, 11, 10, 11],
    [11, 12, 11, 11.5],
  ];

  it('follows a rise from below, and a fall from above', () => {
    // It begins at the first low and takes 0.02 of the way to the high of 11.
    const reading = compute(rise);
    expect(reading?.outputs[0]).toBeCloseTo(9.04, 12);
    expect(reading?.verdict).toBe(1);
    expect(reading?.strength).toBeCloseTo((11.5 - 9.04) / 3, 12);
    expect(compute(mirrored(rise))?.outputs[0]).toBeCloseTo(100 - 9.04, 12);
    expect(compute(mirrored(rise))?.verdict).toBe(-1);
  });

  it('turns to the last extreme when the price reaches it', () => {
    const reading = compute([...rise, [9.5, 9.5, 8.5, 9]]);
    expect(reading?.outputs[0]).toBe(12);
    expect(reading?.verdict).toBe(-1);
    expect(reading?.strength).toBeCloseTo(-3 / 3.5, 12);
  });
});

describe('aroon', () => {
  const compute = (bars: readonly Bar[]) => aroon.compute(columns(bars), { period: 4 });
  const bar = (high: number, low: number): Bar => [low, high, low, high];

  it.each([
    [
      'a low that is newer',
      [
        [9, 5],
        [8, 4],
        [7, 3],
        [6, 2],
        [7, 3],
      ],
      [-75, 0, 75],
      -1,
    ],
    [
      'a high that is newer',
      [
        [7, 1],
        [8, 4],
        [9, 3],
        [8, 2],
        [7, 3],
      ],
      [50, 50, 0],
      1,
    ],
    [
      'both in one candle',
      [
        [7, 3],
        [9, 1],
        [8, 2],
        [7, 3],
        [7, 3],
      ],
      [0, 25, 25],
      0,
    ],
    [
      'the newest of equal extremes',
      [
        [9, 1],
        [8, 2],
        [8, 1],
        [9, 2],
        [8, 2],
      ],
      [25, 75, 50],
      1,
    ],
  ] as [string, [number, number][], number[], number][])('sees %s', (_, bars, outputs, verdict) => {
    const reading = compute(bars.map(([high, low]) => bar(high, low)));
    expect(reading).toEqual({ outputs, verdict, strength: (outputs[0] ?? 0) / 100 });
  });
});

describe('adx', () => {
  const compute = (bars: readonly Bar[]) => adx.compute(columns(bars), { period: 3 });
  /** Closes with a range of half a point on both sides. */
  const around = (closes: readonly number[]): Bar[] =>
    closes.map(close => [close, close + 0.5, close - 0.5, close]);
  const restless = Array.from({ length: 30 }, (_, index) => 50 + (index % 2));

  it('is bullish in a rise that grows stronger, bearish in such a fall', () => {
    const rise = around([...restless, 52, 54, 56]);
    const [up, down] = [compute(rise), compute(mirrored(rise))];
    expect(up?.verdict).toBe(1);
    expect(up?.strength).toBeCloseTo((up?.outputs[0] ?? 0) / 100, 12);
    expect(down?.verdict).toBe(-1);
    expect(down?.outputs).toEqual([
      expect.closeTo(up?.outputs[0] ?? 0, 9),
      expect.closeTo(up?.outputs[2] ?? 0, 9),
      expect.closeTo(up?.outputs[1] ?? 0, 9),
    ]);
  });

  it('is neutral while the trend is weak, and while it grows weaker', () => {
    expect(compute(around(restless))).toMatchObject({ verdict: 0, strength: 0 });
    const tired = compute(around([...restless, 52, 54, 56, 55, 56, 55]));
    expect(tired?.outputs[0]).toBeGreaterThan(20);
    expect(tired).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('has no value of a market without any range', () => {
    expect(compute(Array.from({ length: 7 }, () => flat(10)))).toBeNull();
  });

  it('is what another implementation gives, after it has forgotten how it began', () => {
    const steps = fc.array(
      fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 1, max: 20 }), fc.nat(20)),
      {
        minLength: 400,
        maxLength: 400,
      },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 3, max: 10 }), (moves, period) => {
        let close = 10_000;
        // Half a step, as equal moves up and down count here for nothing and there for both.
        const bars = moves.map(([move, above, below], index): Bar => {
          const open = close;
          close += move;
          return [
            open,
            Math.max(open, close) + above,
            Math.min(open, close) - below - (index % 2) / 2,
            close,
          ];
        });
        const other = new ADX(period);
        for (const [, high, low, last] of bars) other.update({ high, low, close: last }, false);
        const length = windowOf(adx, { period });
        const [value, plus, minus] =
          adx.compute(columns(bars.slice(-length)), { period })?.outputs ?? [];
        expect(value).toBeCloseTo(Number(other.getResult()), 6);
        expect(plus).toBeCloseTo(100 * Number(other.pdi), 6);
        expect(minus).toBeCloseTo(100 * Number(other.mdi), 6);
      }),
      { numRuns: 30 },
    );
  });
});

describe('linear_regression_slope', () => {
  it.each([
    [[1, 2, 3], 1, 1, 1],
    [[6, 4, 2], -2, 1, -1],
    [[1, 3, 1], 0, 0, 0],
    [[1, 2, 4], 1.5, 27 / 28, 1],
    [[1, 1, 0, 2], 0.2, 0.1, 1],
    [[1.2, 1.5, 1.8, 1.1], 0, 0, 0],
    [[1.1, 1.4, 1.7, 1], 0, 0, 0],
  ])('of %j is %d, explains %d and has verdict %d', (closes, slope, explained, verdict) => {
    const reading = linearRegressionSlope.compute(columns(closes.map(flat)), {
      period: closes.length,
    });
    expect(reading?.outputs[0]).toBeCloseTo(slope, 12);
    expect(reading?.outputs[1]).toBeCloseTo(explained, 12);
    expect(reading?.verdict).toBe(verdict);
    expect(reading?.strength).toBeCloseTo(verdict * explained, 12);
  });
});

describe('heikin_ashi', () => {
  const bars: Bar[] = [
    [10, 13, 9, 12],
    [12, 15, 11, 14],
  ];

  it('opens in the middle of the candle before and closes at the mean of its prices', () => {
    expect(heikinAshi.compute(columns(bars), {})).toEqual({
      outputs: [13, 11, 15, 11],
      verdict: 1,
      strength: 2 / 6,
    });
    expect(heikinAshi.compute(columns(mirrored(bars)), {})).toEqual({
      outputs: [87, 89, 89, 85],
      verdict: -1,
      strength: -2 / 6,
    });
  });

  it('is neutral when it closes where it opened', () => {
    const level: Bar[] = [flat(10), [9, 11, 9, 11]];
    expect(heikinAshi.compute(columns(level), {})).toMatchObject({ verdict: 0, strength: 0 });
  });
});
