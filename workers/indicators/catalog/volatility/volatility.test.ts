import { ATR, BollingerBands, DonchianChannels, TTMSqueeze } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { series } from '../tests/golden.ts';
import { atr } from './atr.ts';
import { bollingerBands } from './bollinger_bands.ts';
import { donchianChannel } from './donchian_channel.ts';
import { keltnerChannels } from './keltner_channels.ts';
import { realisedVolatility } from './realised_volatility.ts';
import { squeeze } from './squeeze.ts';
import { zScore } from './z_score.ts';

const closes = (...close: number[]) => ({ close: Float64Array.from(close) });

/** Bars from [high, low, close]. */
const bars = (...rows: (readonly [number, number, number])[]) => ({
  high: Float64Array.from(rows, ([high]) => high),
  low: Float64Array.from(rows, ([, low]) => low),
  close: Float64Array.from(rows, ([, , close]) => close),
});

const candles = series.close.map((close, index) => ({
  open: series.open[index] ?? Number.NaN,
  high: series.high[index] ?? Number.NaN,
  low: series.low[index] ?? Number.NaN,
  close,
}));
const lastBars = (count: number) =>
  bars(...candles.slice(-count).map(({ high, low, close }) => [high, low, close] as const));

/** Five closes whose mean is 10 and whose deviation is 2, and the same the other way round. */
const high5 = closes(9, 9, 9, 9, 14);
const low5 = closes(11, 11, 11, 11, 6);

describe('bollinger_bands', () => {
  it('is bullish below the lower band and bearish above the upper one', () => {
    expect(bollingerBands.compute(high5, { period: 5, deviations: 1 })).toEqual({
      outputs: [10, 12, 8, 1.5, 0.4],
      verdict: -1,
      strength: -0.5,
    });
    expect(bollingerBands.compute(low5, { period: 5, deviations: 1 })).toEqual({
      outputs: [10, 12, 8, -0.5, 0.4],
      verdict: 1,
      strength: 0.5,
    });
  });

  it('is neutral on a band, and between them', () => {
    for (const deviations of [2, 3]) {
      const reading = bollingerBands.compute(high5, { period: 5, deviations });
      expect(reading).toMatchObject({ verdict: 0, strength: 0 });
    }
  });

  it('has no value without a deviation', () => {
    expect(bollingerBands.compute(closes(0.1, 0.1, 0.1), { period: 3, deviations: 2 })).toBeNull();
  });

  it('has the bands of another implementation', () => {
    const other = new BollingerBands(20, 2);
    for (const { close } of candles) other.update(close, false);
    const bands = other.getResultOrThrow();
    const [middle, upper, lower] =
      bollingerBands.compute(lastBars(20), { period: 20, deviations: 2 })?.outputs ?? [];
    expect(middle).toBeCloseTo(bands.middle, 11);
    expect(upper).toBeCloseTo(bands.upper, 11);
    expect(lower).toBeCloseTo(bands.lower, 11);
  });
});

describe('z_score', () => {
  it('is bullish far below the average and bearish far above it, not at two deviations', () => {
    // Mean 10, deviation 3, and the newest close 9 away from the mean.
    const far = (sign: number) =>
      closes(...Array.from({ length: 9 }, () => 10 - sign), 10 + 9 * sign);
    expect(zScore.compute(far(1), { period: 10 })).toEqual({
      outputs: [expect.closeTo(3, 12)],
      verdict: -1,
      strength: expect.closeTo(-1 / 3, 12),
    });
    expect(zScore.compute(far(-1), { period: 10 })).toEqual({
      outputs: [expect.closeTo(-3, 12)],
      verdict: 1,
      strength: expect.closeTo(1 / 3, 12),
    });
    expect(zScore.compute(high5, { period: 5 })).toEqual({ outputs: [2], verdict: 0, strength: 0 });
  });

  it('has no value without a deviation', () => {
    expect(zScore.compute(closes(0.1, 0.1, 0.1), { period: 3 })).toBeNull();
  });
});

describe('atr', () => {
  it('counts the gap from the close before, and nothing for the first bar', () => {
    // True ranges 3 (from 9 up to 12) and 4 (from 12 down to 8).
    const rows = bars([10, 1, 9], [12, 10, 12], [9, 8, 8]);
    expect(atr.compute(rows, { period: 2 })).toEqual({
      outputs: [3.5, 43.75],
      verdict: 0,
      strength: 0,
    });
  });

  it('stays neutral whatever happens', () => {
    const rows = bars([10, 10, 10], [10, 10, 10], [90, 10, 90]);
    expect(atr.compute(rows, { period: 2 })).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('is what another implementation gives once the seeds are forgotten', () => {
    const other = new ATR(14);
    for (const candle of candles) other.update(candle, false);
    expect(atr.compute(lastBars(407), { period: 14 })?.outputs[0]).toBeCloseTo(
      Number(other.getResult()),
      12,
    );
  });
});

describe('keltner_channels', () => {
  const params = { period: 1, atr_period: 2, multiple: 1 };

  it.each([
    ['above the upper line', [10, 10, 10, 10, 20], 1],
    ['below the lower line', [20, 20, 20, 20, 10], -1],
    ['within', [10, 12, 10, 12, 11], 0],
  ])('%s of closes %j says %d', (_, prices, verdict) => {
    const rows = bars(...prices.map(price => [price, price, price] as const));
    const reading = keltnerChannels.compute(rows, { period: 4, atr_period: 2, multiple: 1 });
    expect(reading?.verdict).toBe(verdict);
    expect(Math.sign(reading?.strength ?? Number.NaN)).toBe(verdict);
  });

  it('is as strong as the part of the distance beyond the line', () => {
    const rows = bars([10, 10, 10], [10, 10, 10], [10, 10, 10], [10, 10, 10], [20, 20, 20]);
    // The average goes from 10 to 14, the range from 0 to 5.
    const reading = keltnerChannels.compute(rows, { period: 4, atr_period: 2, multiple: 1 });
    expect(reading).toEqual({
      outputs: [14, 19, 9],
      verdict: 1,
      strength: expect.closeTo(1 / 6, 12),
    });
  });

  it('is neutral on its line, also without a height', () => {
    const rows = bars([0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]);
    expect(keltnerChannels.compute(rows, params)).toEqual({
      outputs: [0.1, 0.1, 0.1],
      verdict: 0,
      strength: 0,
    });
  });
});

describe('donchian_channel', () => {
  it.each([
    // The channel before is from 8 to 12; the new bar is in the one that is given.
    ['above', [14, 11, 13], [11, 14, 8], 1, 0.25],
    ['far above', [30, 11, 30], [19, 30, 8], 1, 1],
    ['below', [9, 6, 7], [8.5, 11, 6], -1, -0.25],
    ['at its edge', [12, 11, 12], [10, 12, 8], 0, 0],
    ['within, with a high above it', [13, 11, 12], [10.5, 13, 8], 0, 0],
  ] as const)('closes %s', (_, bar, outputs, verdict, strength) => {
    const rows = bars([12, 9, 10], [11, 8, 10], bar);
    expect(donchianChannel.compute(rows, { period: 2 })).toEqual({ outputs, verdict, strength });
  });

  it('leaves a channel without a height with full strength', () => {
    const rows = bars([10, 10, 10], [10, 10, 10], [10.5, 10, 10.5]);
    expect(donchianChannel.compute(rows, { period: 2 })).toMatchObject({ verdict: 1, strength: 1 });
  });

  it('has the lines of another implementation', () => {
    const other = new DonchianChannels(20);
    for (const candle of candles) other.update(candle, false);
    const { middle, upper, lower } = other.getResultOrThrow();
    expect(donchianChannel.compute(lastBars(21), { period: 20 })?.outputs).toEqual([
      middle,
      upper,
      lower,
    ]);
  });
});

describe('realised_volatility', () => {
  it('is the sample deviation of logarithmic returns, times the root of the bars in a year', () => {
    // Returns of 1, -1 and 0: their sample deviation is 1.
    const reading = realisedVolatility.compute(closes(1, Math.E, 1, 1), {
      period: 3,
      bars_per_year: 4,
    });
    expect(reading).toEqual({
      outputs: [expect.closeTo(200, 10), expect.closeTo(100, 10)],
      verdict: 0,
      strength: 0,
    });
  });

  it('is nothing while prices stand still', () => {
    const still = closes(0.1, 0.1, 0.1, 0.1);
    const reading = realisedVolatility.compute(still, { period: 3, bars_per_year: 252 });
    expect(reading).toEqual({ outputs: [0, 0], verdict: 0, strength: 0 });
  });
});

describe('squeeze', () => {
  const params = { period: 4, deviations: 2, multiple: 1.5 };
  const flat = (close: number, half: number) => [close + half, close - half, close] as const;
  const rising = [10, 11, 12, 13, 14, 15, 16];

  it('is on while the bands lie inside the channel, and says nothing then', () => {
    // Wide bars with closes that hardly move.
    const rows = bars(...rising.map(close => flat(close / 10, 1)));
    const reading = squeeze.compute(rows, params);
    expect(reading?.outputs[1]).toBeLessThan(1);
    expect(reading?.outputs[0]).toBeGreaterThan(0);
    expect(reading).toMatchObject({ verdict: 0, strength: 0 });
  });

  it.each([
    ['rises', rising, 1],
    ['falls', rising.toReversed(), -1],
  ])('goes with the momentum of a price that %s once it is off', (_, prices, sign) => {
    const reading = squeeze.compute(bars(...prices.map(close => flat(close, 0.1))), params);
    // Every close is 1.5 off the middle of its range of four and off their average.
    expect(reading?.outputs[0]).toBeCloseTo(1.5 * sign, 12);
    // Deviation of four steps is the root of 1.25; a true range is 1.1.
    expect(reading?.outputs[1]).toBeCloseTo((2 * Math.sqrt(1.25)) / (1.5 * 1.1), 12);
    expect(reading?.verdict).toBe(sign);
    expect(reading?.strength).toBeCloseTo((1.5 / 6.2) * sign, 12);
  });

  it('says nothing by rounding', () => {
    // The momentum of these prices is 0, but not that of the binary fractions next to them.
    const prices = [1.08497, 1.08503, 1.08499, 1.08503, 1.085];
    const reading = squeeze.compute(bars(...prices.map(close => flat(close, 0))), {
      period: 3,
      deviations: 10,
      multiple: 0.1,
    });
    expect(reading?.outputs[1]).toBeGreaterThan(1);
    expect(reading?.outputs[0]).not.toBe(0);
    expect(reading).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('has no value while prices stand still', () => {
    expect(squeeze.compute(bars(...rising.map(() => flat(0.1, 0))), params)).toBeNull();
  });

  it('has the momentum of another implementation', () => {
    const other = new TTMSqueeze();
    for (const candle of candles) other.update(candle, false);
    const reading = squeeze.compute(lastBars(39), { period: 20, deviations: 2, multiple: 1.5 });
    expect(reading?.outputs[0]).toBeCloseTo(other.getResultOrThrow().momentum, 12);
  });
});
