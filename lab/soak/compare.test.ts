import { describe, expect, it } from 'vitest';
import { isSameValue } from './compare.ts';

const forecast = {
  outputs: [1.25, 0.001],
  verdict: 1,
  strength: 0.3,
  horizon: 3,
  low: 1.2,
  high: 1.3,
  bars: 10,
};
/** As single precision has it. */
const stored = { ...forecast, strength: Math.fround(0.3) };

describe('a stored value', () => {
  it('is what was computed, but for the precision of its strength', () => {
    expect(isSameValue(stored, forecast, 0)).toBe(true);
  });

  it.each([
    { outputs: [1.25, 0.0010000000000000002] },
    { outputs: [1.25] },
    { outputs: null },
    { verdict: 0 },
    { strength: 0.30001 },
    { horizon: null },
    { low: 1.2000000000000002 },
    { high: null },
    { bars: 9 },
  ])('is another one with %j', other => {
    expect(isSameValue({ ...stored, ...other }, forecast, 0)).toBe(false);
  });

  it('may differ in the last bits where sums go in', () => {
    const found = { ...stored, outputs: [1.2500000000000002, 0.001] };
    expect(isSameValue(found, forecast, 1e-9)).toBe(true);
    expect(isSameValue({ ...found, outputs: [1.2501, 0.001] }, forecast, 1e-9)).toBe(false);
  });

  it('is nothing where nothing can be computed', () => {
    const none = {
      ...forecast,
      outputs: null,
      verdict: null,
      strength: null,
      horizon: null,
      low: null,
      high: null,
    };
    expect(isSameValue(none, none, 0)).toBe(true);
    expect(isSameValue(stored, none, 0)).toBe(false);
  });
});
