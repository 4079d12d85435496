import { CMF, MFI, OBV, PVT } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { series } from '../tests/golden.ts';
import { accumulationDistribution } from './accumulation_distribution.ts';
import { chaikinMoneyFlow } from './chaikin_money_flow.ts';
import { dailyVwap } from './daily_vwap.ts';
import { mfi } from './mfi.ts';
import { obv } from './obv.ts';
import { priceVolumeTrend } from './price_volume_trend.ts';
import { rollingVwap } from './rolling_vwap.ts';

const none = Number.NaN;

type Bar = readonly [high: number, low: number, close: number, volume: number, ticks: number];

const bars = (rows: readonly Bar[]) => {
  const column = (place: number) => Float64Array.from(rows, row => row[place] ?? none);
  return {
    high: column(0),
    low: column(1),
    close: column(2),
    typical: Float64Array.from(rows, ([high, low, close]) => (high + low + close) / 3),
    volume: column(3),
    tick_count: column(4),
  };
};

/** Bars of one price each, with a size and one tick, or with no size and so many ticks. */
const sized = (...rows: (readonly [price: number, size: number])[]) =>
  bars(rows.map(([price, size]) => [price, price, price, size, 1]));
const quoted = (...rows: (readonly [price: number, ticks: number])[]) =>
  bars(rows.map(([price, ticks]) => [price, price, price, none, ticks]));

const candles = series.close.map((close, index) => ({
  open: series.open[index] ?? none,
  high: series.high[index] ?? none,
  low: series.low[index] ?? none,
  close,
  volume: series.volume[index] ?? none,
}));
const lastBars = (count: number) =>
  bars(
    candles
      .slice(-count)
      .map(({ high, low, close, volume }) => [high, low, close, volume, 1] as const),
  );

const still = (length: number) => sized(...Array.from({ length }, () => [0.1, 0.3] as const));

describe('daily_vwap', () => {
  const midnight = Date.UTC(2026, 0, 2) / 1_000;
  /** Bars of a minute, of which the first one begins so many minutes after midnight. */
  const from = (minute: number, columns: ReturnType<typeof bars>) => ({
    ...columns,
    start: columns.close.map((_, index) => midnight + 60 * (minute + index)),
  });

  it('begins anew at midnight', () => {
    const reading = dailyVwap.compute(from(-2, sized([50, 7], [90, 7], [10, 3], [14, 1])), {
      period: 4,
    });
    expect(reading).toEqual({ outputs: [11, 300 / 11], verdict: 1, strength: 0.75 });
    const first = dailyVwap.compute(from(-3, sized([50, 7], [90, 7], [60, 7], [10, 3])), {
      period: 4,
    });
    expect(first).toEqual({ outputs: [10, -0], verdict: 0, strength: 0 });
  });

  it('is the rolling one where the window is the day', () => {
    const columns = lastBars(200);
    expect(dailyVwap.compute(from(0, columns), { period: 200 })).toEqual(
      rollingVwap.compute(columns, { period: 200 }),
    );
  });

  it('has a value of what there is of a day that began before there were candles', () => {
    const columns = from(30, sized([10, 3], [14, 1]));
    expect(dailyVwap.compute(columns, { period: 3 })?.outputs[0]).toBe(11);
  });

  it('has none of a day that has more bars than its window', () => {
    expect(dailyVwap.compute(from(1, sized([10, 3], [14, 1])), { period: 2 })).toBeNull();
    expect(dailyVwap.compute(from(0, sized([10, 3], [14, 1])), { period: 2 })).not.toBeNull();
  });

  it('weighs by ticks where no bar of the day has a size, though one before has', () => {
    const columns = bars([
      [50, 50, 50, 7, 1],
      [10, 10, 10, none, 3],
      [14, 14, 14, none, 1],
    ]);
    expect(dailyVwap.compute(from(-1, columns), { period: 3 })?.outputs[0]).toBe(11);
  });
});

describe('rolling_vwap', () => {
  it('weighs the typical price by volume, and the close above it is bullish', () => {
    // Typical prices 10 and 13, three to one: 10.75.
    const rows = bars([
      [11, 9, 10, 3, 1],
      [14, 12, 13, 1, 1],
    ]);
    expect(rollingVwap.compute(rows, { period: 2 })).toEqual({
      outputs: [10.75, (100 * 2.25) / 10.75],
      verdict: 1,
      // The first typical price is 3 from the close.
      strength: 0.75,
    });
  });

  it('is as strong as its distance is a part of the farthest price, a high or a low of the newest bar too', () => {
    // A typical price of 10.5, which is one from the close.
    const strength = (row: Bar) => rollingVwap.compute(bars([row]), { period: 1 })?.strength;
    expect(strength([12, 8, 11.5, 1, 1])).toBeCloseTo(1 / 3.5, 12);
    expect(strength([13, 9, 9.5, 1, 1])).toBeCloseTo(-1 / 3.5, 12);
  });

  it('is bearish with the close below it, neutral with the close at it', () => {
    const below = rollingVwap.compute(sized([10, 1], [6, 1]), { period: 2 });
    expect(below).toEqual({ outputs: [8, -25], verdict: -1, strength: -0.5 });
    const at = rollingVwap.compute(sized([8, 1], [12, 1], [10, 1]), { period: 3 });
    expect(at).toMatchObject({ verdict: 0, strength: 0 });
    expect(rollingVwap.compute(still(3), { period: 3 })).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('says nothing by rounding', () => {
    // 0.1 and 0.2 above the close weigh as much as 0.3 below it, but for rounding.
    const rows = sized([11, 0.1], [11, 0.2], [9, 0.3], [10, 1]);
    const reading = rollingVwap.compute(rows, { period: 4 });
    expect(reading?.outputs[0]).toBeCloseTo(10, 12);
    expect(reading).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('has no value where nothing was traded', () => {
    const reading = rollingVwap.compute(sized([10, 0], [6, 0]), { period: 2 });
    expect(reading?.outputs.every(Number.isFinite)).toBe(false);
  });
});

describe('obv', () => {
  it('is volume of rising bars less that of falling ones, without the first bar', () => {
    const rows = sized([10, 100], [11, 5], [11, 2], [10, 1]);
    expect(obv.compute(rows, { period: 3 })).toEqual({
      outputs: [4, 0.5],
      verdict: 1,
      strength: 0.5,
    });
    const falling = sized([10, 100], [9, 5], [9, 2], [10, 1]);
    expect(obv.compute(falling, { period: 3 })).toEqual({
      outputs: [-4, -0.5],
      verdict: -1,
      strength: -0.5,
    });
  });

  it('is neutral when both are equal, but for rounding', () => {
    // 0.1 + 0.2 - 0.3 is not exactly 0.
    const rows = sized([10, 1], [11, 0.1], [12, 0.2], [11, 0.3]);
    expect(obv.compute(rows, { period: 3 })).toMatchObject({ verdict: 0, strength: 0 });
    expect(obv.compute(still(4), { period: 3 })).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('counts ticks of quotes, and a bar without a size as nothing beside others that have one', () => {
    expect(obv.compute(quoted([10, 1], [11, 6], [10, 2]), { period: 2 })?.outputs).toEqual([
      4, 0.5,
    ]);
    const some = bars([
      [10, 10, 10, none, 9],
      [11, 11, 11, 3, 9],
      [10, 10, 10, none, 9],
    ]);
    expect(obv.compute(some, { period: 2 })?.outputs).toEqual([3, 1]);
  });

  it('does not fall back to sizes outside of what it sums', () => {
    const rows = bars([
      [10, 10, 10, 7, 1],
      [11, 11, 11, none, 6],
      [10, 10, 10, none, 2],
    ]);
    expect(obv.compute(rows, { period: 2 })?.outputs).toEqual([4, 0.5]);
  });

  it('changes as much as another implementation does', () => {
    const other = new OBV(2);
    const levels = candles.map(candle => other.update(candle, false) ?? 0);
    const change = (levels.at(-1) ?? none) - (levels.at(-21) ?? none);
    expect(obv.compute(lastBars(21), { period: 20 })?.outputs[0]).toBeCloseTo(change, 6);
  });
});

describe('mfi', () => {
  it.each([
    // Turnover that rose beside turnover that fell.
    [
      'oversold',
      [
        [10, 9],
        [5, 18],
        [10, 1],
      ],
      10,
      1,
      0.5,
    ],
    [
      'overbought',
      [
        [10, 9],
        [20, 9],
        [10, 2],
      ],
      90,
      -1,
      -0.5,
    ],
    [
      'between',
      [
        [10, 9],
        [20, 1],
        [10, 2],
      ],
      50,
      0,
      0,
    ],
    [
      'at the threshold',
      [
        [10, 9],
        [5, 8],
        [10, 1],
      ],
      20,
      0,
      0,
    ],
    [
      'beside a bar that stood still',
      [
        [10, 9],
        [10, 99],
        [20, 1],
        [10, 2],
      ],
      50,
      0,
      0,
    ],
  ] as const)('%s', (_, rows, value, verdict, strength) => {
    const reading = mfi.compute(sized(...rows), { period: rows.length - 1 });
    expect(reading).toEqual({ outputs: [expect.closeTo(value, 12)], verdict, strength });
  });

  it('is not above 100 by rounding where prices only rise', () => {
    // 100 times this turnover, divided by it, is more than 100.
    const turnover = 0.6804443415248529;
    const reading = mfi.compute(sized([0.5, 1], [1, turnover]), { period: 1 });
    expect(reading).toEqual({ outputs: [100], verdict: -1, strength: -1 });
  });

  it('has no value while prices stand still or nothing is traded', () => {
    expect(mfi.compute(still(3), { period: 2 })).toBeNull();
    expect(mfi.compute(sized([10, 0], [11, 0], [12, 0]), { period: 2 })).toBeNull();
  });

  it('counts ticks of quotes', () => {
    const reading = mfi.compute(quoted([10, 1], [20, 9], [10, 2]), { period: 2 });
    expect(reading?.outputs[0]).toBeCloseTo(90, 12);
  });

  it('is what another implementation gives', () => {
    const other = new MFI(14);
    for (const candle of candles) other.update(candle, false);
    const reading = mfi.compute(lastBars(15), { period: 14 });
    expect(reading?.outputs[0]).toBeCloseTo(Number(other.getResult()), 10);
  });
});

describe('chaikin_money_flow', () => {
  const flow = (...closes: readonly number[]) =>
    chaikinMoneyFlow.compute(bars(closes.map(close => [12, 8, close, 5, 1] as const)), {
      period: closes.length,
    });

  it('says where bars with volume close', () => {
    expect(flow(12, 11)).toEqual({ outputs: [0.75], verdict: 1, strength: 0.75 });
    expect(flow(8, 9)).toEqual({ outputs: [-0.75], verdict: -1, strength: -0.75 });
    expect(flow(12, 8)).toEqual({ outputs: [0], verdict: 0, strength: 0 });
  });

  it('is neutral up to 0.05', () => {
    expect(flow(10.08)).toEqual({ outputs: [expect.closeTo(0.04, 12)], verdict: 0, strength: 0 });
    expect(flow(10.12)).toMatchObject({ verdict: 1 });
    expect(flow(9.92)).toEqual({ outputs: [expect.closeTo(-0.04, 12)], verdict: 0, strength: 0 });
    expect(flow(9.88)).toMatchObject({ verdict: -1 });
  });

  it('counts a bar without a range as none, and ticks of quotes', () => {
    expect(chaikinMoneyFlow.compute(still(3), { period: 3 })?.outputs).toEqual([0]);
    const rows = bars([
      [12, 8, 12, none, 3],
      [12, 8, 8, none, 1],
    ]);
    expect(chaikinMoneyFlow.compute(rows, { period: 2 })?.outputs).toEqual([0.5]);
  });

  it('is what another implementation gives', () => {
    const other = new CMF(20);
    for (const candle of candles) other.update(candle, false);
    const reading = chaikinMoneyFlow.compute(lastBars(20), { period: 20 });
    expect(reading?.outputs[0]).toBeCloseTo(Number(other.getResult()), 12);
  });
});

describe('accumulation_distribution', () => {
  const change = (...rows: readonly Bar[]) =>
    accumulationDistribution.compute(bars([[20, 20, 20, 99, 1], ...rows]), { period: rows.length });

  it.each([
    ['bullish when volume gathers while the price falls', [[20, 16, 19, 8, 1]], [4, 0.5], 1],
    ['bullish when it gathers while the price stands', [[20, 16, 20, 8, 1]], [8, 1], 1],
    ['bearish when volume leaves while the price rises', [[28, 20, 22, 8, 1]], [-4, -0.5], -1],
    ['neutral when both rise', [[28, 20, 26, 8, 1]], [4, 0.5], 0],
    ['neutral when both fall', [[20, 12, 14, 8, 1]], [-4, -0.5], 0],
    ['neutral when the line stands', [[20, 16, 18, 8, 1]], [0, 0], 0],
  ] as const)('is %s', (_, rows, outputs, verdict) => {
    const strength = verdict === 0 ? 0 : outputs[1];
    expect(change(...rows)).toEqual({ outputs, verdict, strength });
  });

  it('says nothing by rounding', () => {
    // The close is the middle of the range, but not of these binary fractions.
    const middles = bars([
      [1.08503, 1.08503, 1.08503, 5, 1],
      [1.08503, 1.08501, 1.08502, 5, 1],
    ]);
    const reading = accumulationDistribution.compute(middles, { period: 1 });
    expect(reading?.outputs[0]).not.toBe(0);
    expect(reading).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('is neutral while prices stand still', () => {
    const reading = accumulationDistribution.compute(still(4), { period: 3 });
    expect(reading).toEqual({ outputs: [0, 0], verdict: 0, strength: 0 });
  });

  it('has no value when the close to compare with is missing', () => {
    const rows = bars([
      [none, none, none, 1, 1],
      [20, 16, 20, 8, 1],
    ]);
    expect(accumulationDistribution.compute(rows, { period: 1 })).toBeNull();
  });
});

describe('price_volume_trend', () => {
  it('is volume times relative moves', () => {
    // Up a half with 4, down a third with 3.
    const rows = sized([10, 99], [15, 4], [10, 3]);
    expect(priceVolumeTrend.compute(rows, { period: 2 })).toEqual({
      outputs: [expect.closeTo(1, 12), expect.closeTo(1 / 3, 12)],
      verdict: 1,
      strength: expect.closeTo(1 / 3, 12),
    });
    const falling = sized([10, 99], [15, 2], [10, 9]);
    expect(priceVolumeTrend.compute(falling, { period: 2 })).toEqual({
      outputs: [expect.closeTo(-2, 12), expect.closeTo(-0.5, 12)],
      verdict: -1,
      strength: expect.closeTo(-0.5, 12),
    });
  });

  it('is neutral when nothing moves, or moves weigh the same', () => {
    const nothing = { outputs: [0, 0], verdict: 0, strength: 0 };
    expect(priceVolumeTrend.compute(still(4), { period: 3 })).toEqual(nothing);
    const even = priceVolumeTrend.compute(sized([10, 99], [15, 2], [10, 3]), { period: 2 });
    expect(even).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('changes as much as another implementation does', () => {
    const other = new PVT();
    const levels = candles.map(candle => other.update(candle, false) ?? 0);
    const expected = (levels.at(-1) ?? none) - (levels.at(-21) ?? none);
    const reading = priceVolumeTrend.compute(lastBars(21), { period: 20 });
    expect(reading?.outputs[0]).toBeCloseTo(expected, 8);
  });
});
