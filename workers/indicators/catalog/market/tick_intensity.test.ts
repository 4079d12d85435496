import { describe, expect, it } from 'vitest';
import { tickIntensity } from './tick_intensity.ts';

/** Nine bars of 9 ticks at 10, then the one that is asked about: deviation 3 with 19 ticks. */
const busy = (close: number, ticks: number, usual = 9) => ({
  close: Float64Array.from([...Array.from({ length: 9 }, () => 10), close]),
  tick_count: Float64Array.from([...Array.from({ length: 9 }, () => usual), ticks]),
});

describe('tick_intensity', () => {
  it.each([
    ['higher', 11, 1],
    ['lower', 9, -1],
    ['where the one before did', 10, 0],
  ])('goes with an unusually busy bar that closes %s', (_, close, verdict) => {
    expect(tickIntensity.compute(busy(close, 19), { period: 10 })).toEqual({
      outputs: [1.9, expect.closeTo(3, 12)],
      verdict,
      strength: verdict === 0 ? 0 : expect.closeTo(verdict / 3, 12),
    });
  });

  it('says nothing of a quiet bar, however the price moved', () => {
    const reading = tickIntensity.compute(busy(20, 9, 19), { period: 10 });
    expect(reading?.outputs[1]).toBeCloseTo(-3, 12);
    expect(reading).toMatchObject({ verdict: 0, strength: 0 });
  });

  it('says nothing at two deviations', () => {
    // Mean 10, deviation 2.
    const columns = {
      close: Float64Array.from([10, 10, 10, 10, 11]),
      tick_count: Float64Array.from([9, 9, 9, 9, 14]),
    };
    expect(tickIntensity.compute(columns, { period: 5 })).toEqual({
      outputs: [1.4, 2],
      verdict: 0,
      strength: 0,
    });
  });

  it('is as usual where every bar has the same number of ticks', () => {
    expect(tickIntensity.compute(busy(20, 9), { period: 10 })).toEqual({
      outputs: [1, 0],
      verdict: 0,
      strength: 0,
    });
  });
});
