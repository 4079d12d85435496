import { describe, expect, it } from 'vitest';
import { spread } from './spread.ts';

const of = (close: number, ...spreads: number[]) => ({
  spread: Float64Array.from(spreads),
  close: Float64Array.from(spreads, () => close),
});

describe('spread', () => {
  it('tells the newest one as a price and of mid, the median, and how far above it is', () => {
    expect(spread.compute(of(10_000, 3, 1, 9, 2, 7), { period: 5 })).toEqual({
      outputs: [7, 7, 3, 4],
      verdict: 0,
      strength: 0,
    });
  });

  it('takes the mean of the middle two of an even number', () => {
    expect(spread.compute(of(20_000, 8, 1, 9, 2), { period: 4 })?.outputs).toEqual([2, 1, 5, -1.5]);
  });

  it('may be 0 or below, where a bid is at or above the ask', () => {
    expect(spread.compute(of(10_000, 0, 0, 0), { period: 3 })?.outputs).toEqual([0, 0, 0, 0]);
    expect(spread.compute(of(10_000, 1, -3, -2), { period: 3 })?.outputs).toEqual([-2, -2, -2, 0]);
  });

  it('is as wide of a price below 0 as of one above', () => {
    expect(spread.compute(of(-10_000, 1, 3), { period: 2 })?.outputs).toEqual([3, 3, 2, 1]);
  });

  it('sorts as numbers, not as text', () => {
    expect(spread.compute(of(10_000, 9, 10, 100), { period: 3 })?.outputs[2]).toBe(10);
  });

  it('has no value where one of its bars has no spread', () => {
    const reading = spread.compute(of(10_000, 1, Number.NaN, 2), { period: 3 });
    expect(reading?.outputs[2]).toBeNaN();
  });
});
