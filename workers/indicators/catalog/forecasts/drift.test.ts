import { describe, expect, it } from 'vitest';
import { drift } from './drift.ts';

const compute = (closes: readonly number[], params: { horizon: number; level: string }) =>
  drift.compute({ close: Float64Array.from(closes) }, { period: closes.length, ...params });

/** The same made-up prices as in the computation of their own that the numbers below come from. */
function walk(length: number): number[] {
  let state = 12_345n;
  let price = 100_000;
  const closes = Array.from({ length: 500 }, () => {
    state = (state * 1_103_515_245n + 12_345n) % 2_147_483_648n;
    price += Number(state % 201n) - 100;
    return price / 1_000;
  });
  return closes.slice(-length);
}

describe('drift', () => {
  it.each([
    [100, 10, '0.95', 100.03381818181819, 99.63269548652819, 100.43494087710819],
    [30, 1, '0.80', 100.05851724137932, 99.98614743488861, 100.13088704787003],
    [30, 20, '0.95', 99.80234482758621, 99.16975554847428, 100.43493410669814],
  ])(
    'of %d closes, %d ahead at %s, is %d in [%d, %d]',
    (period, horizon, level, value, low, high) => {
      const reading = compute(walk(period), { horizon, level });
      expect(reading?.outputs[0]).toBeCloseTo(value, 10);
      expect(reading?.forecast?.low).toBeCloseTo(low, 10);
      expect(reading?.forecast?.high).toBeCloseTo(high, 10);
      expect(reading?.forecast?.horizon).toBe(horizon);
      expect(reading?.verdict).toBe(0);
    },
  );

  it('is worked out by hand for three moves of 1, 3 and 2', () => {
    // Drift 2, residuals -1, 1, 0, deviation 1; two ahead the variance is 2 (1 + 2 / 3).
    const half = 1.959963984540054 * Math.sqrt(10 / 3);
    const reading = compute([10, 11, 14, 16], { horizon: 2, level: '0.95' });
    expect(reading).toEqual({
      outputs: [20, 2],
      verdict: 1,
      strength: expect.closeTo(1 - half / 4, 12),
      forecast: {
        horizon: 2,
        low: expect.closeTo(20 - half, 12),
        high: expect.closeTo(20 + half, 12),
      },
    });
    const mirrored = compute([-10, -11, -14, -16], { horizon: 2, level: '0.95' });
    expect(mirrored?.verdict).toBe(-1);
    expect(mirrored?.strength).toBeCloseTo(half / 4 - 1, 12);
  });

  it('is less certain further ahead, and at a higher level', () => {
    const width = (horizon: number, level: string) => {
      const { low = 0, high = 0 } = compute(walk(50), { horizon, level })?.forecast ?? {};
      return high - low;
    };
    expect(width(2, '0.80')).toBeGreaterThan(width(1, '0.80'));
    expect(width(1, '0.95')).toBeGreaterThan(width(1, '0.80'));
  });

  it.each([
    ['stand still', 0],
    ['rise by the same each time', 0.1],
  ])('has no interval, and so no value, of prices that %s', (_, step) => {
    const closes = Array.from({ length: 30 }, (_, index) => 100 + step * index);
    expect(compute(closes, { horizon: 1, level: '0.95' })).toBeNull();
  });
});
