import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maCross } from './ma_cross.ts';

const window = (closes: readonly number[]) => ({ close: Float64Array.from(closes) });

describe('ma_cross', () => {
  it.each([
    // Worked out by hand: mean of the last two minus mean of all four.
    [[1, 2, 3, 4], 3.5 - 2.5, 1],
    [[4, 3, 2, 1], 1.5 - 2.5, -1],
    [[1, 5, 2, 4], 0, 0],
    [[10, 10, 10, 14], 12 - 11, 1],
    [[10, 14, 10, 10], 10 - 11, -1],
  ])('of closes %j with 2/4 is %d with verdict %d', (closes, value, verdict) => {
    const reading = maCross.compute(window(closes), { fast: 2, slow: 4 });
    const [difference = Number.NaN, fast = Number.NaN, slow] = reading?.outputs ?? [];
    expect(difference).toBeCloseTo(value, 12);
    expect(reading?.verdict).toBe(verdict);
    expect(fast - (slow ?? Number.NaN)).toBe(difference);
    expect(reading?.strength).toBeCloseTo(value / (Math.max(...closes) - Math.min(...closes)), 12);
  });

  const periods = fc
    .tuple(fc.integer({ min: 1, max: 59 }), fc.integer({ min: 1, max: 59 }))
    .filter(([one, other]) => one !== other)
    .map(([one, other]) => ({ fast: Math.min(one, other), slow: Math.max(one, other) }));

  it('is exactly 0 and neutral for prices that stay the same, also 0.1', () => {
    const price = fc.oneof(
      fc.constantFrom(0.1, 0.3, 1.1, 1e-7),
      fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
    );
    fc.assert(
      fc.property(price, periods, (close, params) => {
        const same = Array.from({ length: params.slow }, () => close);
        expect(maCross.compute(window(same), params)).toEqual({
          outputs: [0, close, close],
          verdict: 0,
          strength: 0,
        });
      }),
    );
  });

  it('is bullish for rising prices and bearish for falling ones', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e6, noNaN: true }), periods, (base, params) => {
        const rising = Array.from({ length: params.slow }, (_, index) => base * 1.001 ** index);
        expect(maCross.compute(window(rising), params)?.verdict).toBe(1);
        expect(maCross.compute(window(rising.toReversed()), params)?.verdict).toBe(-1);
      }),
    );
  });
});
