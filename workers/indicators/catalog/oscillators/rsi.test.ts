import fc from 'fast-check';
import { RSI } from 'trading-signals';
import { describe, expect, it } from 'vitest';
import { rsi } from './rsi.ts';

const compute = (closes: readonly number[], period: number, signal = 'level') =>
  rsi.compute({ close: Float64Array.from(closes) }, { period, signal });

// The worked example of StockCharts' ChartSchool, with its results to four decimals.
const worked = [
  44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931,
  46.0328, 45.614, 46.282, 46.282, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521,
  45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
];
const results = [
  70.5328, 66.3186, 66.5498, 69.4063, 66.3552, 57.9749, 62.9296, 63.2571, 56.0593, 62.3771, 54.7076,
  50.4228, 39.9898, 41.4605, 41.8689, 45.4632, 37.304, 33.0795, 37.773,
];

/** The same made-up prices as in the computation with exact fractions that the numbers below come from. */
function walk(): number[] {
  let state = 12_345n;
  let price = 100_000;
  return Array.from({ length: 500 }, () => {
    state = (state * 1_103_515_245n + 12_345n) % 2_147_483_648n;
    price += Number(state % 201n) - 100;
    return price / 1_000;
  });
}

describe('rsi', () => {
  it.each(results.map((result, index) => [15 + index, result]))(
    'of the first %d closes of the worked example is %d',
    (length, result) => {
      expect(compute(worked.slice(0, length), 14)?.outputs[0]).toBeCloseTo(result, 4);
    },
  );

  it.each([
    [14, 0, 36.892044096972214],
    [14, 7, 39.125027457060376],
    [14, 50, 38.96533616477375],
    [2, 0, 7.019940191361198],
    [2, 50, 5.116140754139596],
  ])('of period %d, %d bars before the end of a walk, is %d', (period, back, result) => {
    const end = 500 - back;
    const window = walk().slice(end - 29 * period, end);
    expect(compute(window, period)?.outputs[0]).toBeCloseTo(result, 10);
  });

  it('forgets within its window what was before, to 1e-9', () => {
    const closes = walk();
    const whole = compute(closes, 14)?.outputs[0] ?? Number.NaN;
    const windowed = compute(closes.slice(-29 * 14), 14)?.outputs[0] ?? Number.NaN;
    expect(Math.abs(whole - windowed)).toBeLessThan(1e-9 * whole);
  });

  it('is what another implementation gives', () => {
    const closes = fc.array(fc.integer({ min: 900, max: 1_100 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(closes, fc.integer({ min: 2, max: 20 }), (prices, period) => {
        const other = new RSI(period);
        for (const price of prices) other.update(price, false);
        expect(compute(prices, period)?.outputs[0]).toBeCloseTo(Number(other.getResult()), 8);
      }),
    );
  });

  it.each([
    ['only rises', 1, 100, -1, -1],
    ['only falls', -1, 0, 1, 1],
  ])('of prices that %s is at its end', (_, step, value, verdict, strength) => {
    const closes = Array.from({ length: 20 }, (_, index) => 100 + step * index);
    expect(compute(closes, 14)).toEqual({ outputs: [value], verdict, strength });
  });

  it('is not above 100 by rounding where prices only rise', () => {
    // 100 times this move, divided by it, is more than 100.
    const move = 0.6804443415248529;
    expect(compute([0, move], 1)).toEqual({ outputs: [100], verdict: -1, strength: -1 });
  });

  it('says bullish when oversold, bearish when overbought, and nothing while prices stand still', () => {
    expect(compute([10, 9, 10], 2)).toEqual({ outputs: [50], verdict: 0, strength: 0 });
    expect(compute([10, 10, 10, 10], 3)).toBeNull();
    expect(compute([10, 9, 8, 8.5], 3)).toEqual({
      outputs: [expect.closeTo(20, 10)],
      verdict: 1,
      strength: expect.closeTo(1 / 3, 10),
    });
    expect(compute([10, 11, 12, 11.5], 3)).toEqual({
      outputs: [expect.closeTo(80, 10)],
      verdict: -1,
      strength: expect.closeTo(-1 / 3, 10),
    });
  });

  it.each([
    ['below 30 and falling', [10, 10.5, 10, 9, 8], 0],
    ['below 30 and rising', [10, 10, 9, 8, 8.1], 1],
    ['below 30 and staying', [10, 10, 10, 9, 8], 0],
    ['above 70 and rising', [10, 9.5, 10, 11, 12], 0],
    ['above 70 and falling', [10, 10, 11, 12, 11.9], -1],
    ['between and rising', [10, 9, 10, 9, 9.9], 0],
    ['below 30, with nothing before to compare with', [10, 9, 8, 8.5], 0],
  ])('with signal turn, %s', (_, closes, verdict) => {
    const [turned, level] = [compute(closes, 3, 'turn'), compute(closes, 3)];
    expect(turned?.verdict).toBe(verdict);
    expect(turned?.outputs).toEqual(level?.outputs);
    expect(turned?.strength).toBe(verdict === 0 ? 0 : level?.strength);
  });
});
