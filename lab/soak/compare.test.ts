import { describe, expect, it } from 'vitest';
import { faultsOfVerdicts, isSameValue, type Said } from './compare.ts';

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

describe('what was said of closed candles', () => {
  const bucket = '2026-01-05T00:00:00.000Z';
  const endsAt = Date.parse(bucket) + 1_000;
  const first = {
    bucket,
    revision: 7,
    saidAt: endsAt + 1_100,
    verdict: 1,
    strength: Math.fround(0.3),
    value: 0.5,
    price: 1.25,
  };
  const later = { ...first, revision: 9, saidAt: endsAt + 9_000, value: 0.75 };
  const toSay = { endsAt, verdict: 1, strength: 0.3, value: 0.75, price: 1.25 };
  const judge = (said: readonly Said[], own = toSay, isRecomputed = false) =>
    faultsOfVerdicts(said, new Map([[bucket, own]]), isRecomputed);

  it('is right when the newest row is what is stored now', () => {
    expect(judge([first, later])).toEqual([]);
    expect(judge([first], { ...toSay, value: 0.5 })).toEqual([]);
  });

  it.each([
    { case: 'nothing was said', said: [] },
    { case: 'a late change was not said', said: [first] },
    { case: 'something else was said last', said: [first, { ...later, price: 1.5 }] },
    { case: 'the same was said twice', said: [first, later, { ...later, revision: 11 }] },
    {
      case: 'the older revision was said later',
      said: [{ ...first, saidAt: endsAt + 10_000 }, later],
    },
    {
      case: 'it was said while the candle formed',
      said: [{ ...first, saidAt: endsAt - 1 }, later],
    },
  ])('is wrong when $case', ({ said }) => {
    expect(judge(said)).toHaveLength(1);
  });

  it('may lack what a recomputation stored, and nothing else', () => {
    expect(judge([], toSay, true)).toEqual([]);
    expect(judge([first], toSay, true)).toEqual([]);
    expect(judge([first, { ...first, revision: 8 }], toSay, true)).toHaveLength(1);
  });
});
