import { describe, expect, it } from 'vitest';
import type { Tick } from './source.ts';
import { checkTick, MAX_SEQ, toSayAgain, toSeq } from './tick.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const good: Tick = {
  symbol: 'EUR_USD',
  observedAt: '2026-03-01T11:59:59.123456Z',
  seq: 0,
  bid: 1.1,
  ask: 1.2,
  last: null,
  size: null,
};
const reasonOf = (change: Partial<Record<keyof Tick, unknown>>) =>
  checkTick({ ...good, ...change } as Tick, { now, allowsNegative: false })?.reason ?? null;

describe('checking a tick', () => {
  it('passes a quote, a trade and a crossed quote', () => {
    expect(checkTick(good, { now })).toBeNull();
    expect(reasonOf({ bid: null, ask: null, last: 5, size: 0 })).toBeNull();
    expect(reasonOf({ bid: 1.3, ask: 1.2 })).toBeNull();
    expect(reasonOf({ bid: 1e-320, ask: null })).toBeNull();
  });

  it.each(['EUR_USD.SIM', 'BRK.B', 'X', '0', 'BINANCE:BTC-USDT', 'A'.repeat(32)])(
    'knows %s as a symbol',
    symbol => expect(reasonOf({ symbol })).toBeNull(),
  );

  it.each(
    [
      ['', ' ', 'eur_usd', '_EUR', 'EUR USD', 'A'.repeat(33), 'A\0', 'A\n', '\uFEFFEUR', 'ЕUR'],
      ['a"b', "';--", '<img onerror>', '{{}}', '%00', '../X', 'A\uD800', '😀', '\u202EEUR', null],
    ].flat(),
  )('refuses %j as a symbol', symbol => expect(reasonOf({ symbol })).toBe('symbol_invalid'));

  it.each(
    [
      ['', 'infinity', '-infinity', 'NaN', '1767225600', '2026-03-01', '2026-03-01T10:00:00'],
      ['2026-03-01T10:00:00+00:00', '2026-03-01 10:00:00Z', '2026-03-01T10:00:00.Z'],
      ['2026-03-01T10:00:00.1234567Z', '2026-03-01T10:00:60Z', '2026-03-01T24:00:00Z'],
      [
        '2026-02-30T10:00:00Z',
        '2026-02-29T10:00:00Z',
        '2026-13-01T10:00:00Z',
        '2026-00-01T10:00:00Z',
      ],
      ['2026-03-00T10:00:00Z', '2026-03-01T10:60:00Z', '294276-01-01T00:00:00Z', null, undefined],
    ].flat(),
  )('refuses %j as a time', observedAt => expect(reasonOf({ observedAt })).toBe('time_malformed'));

  it('takes a time with none to six decimals', () => {
    for (const fraction of ['', '.1', '.12', '.123', '.1234', '.12345', '.123456']) {
      expect(reasonOf({ observedAt: `2024-02-29T23:59:59${fraction}Z` })).toBeNull();
    }
  });

  it('refuses a time before 1970 and one beyond the tolerance, to the microsecond', () => {
    expect(reasonOf({ observedAt: '1969-12-31T23:59:59.999999Z' })).toBe('time_before_1970');
    expect(reasonOf({ observedAt: '0001-01-01T00:00:00Z' })).toBe('time_before_1970');
    expect(reasonOf({ observedAt: '1970-01-01T00:00:00Z' })).toBeNull();
    expect(reasonOf({ observedAt: '2026-03-01T12:00:05Z' })).toBeNull();
    expect(reasonOf({ observedAt: '2026-03-01T12:00:05.000001Z' })).toBe('time_in_future');
    expect(reasonOf({ observedAt: '9999-12-31T23:59:59.999999Z' })).toBe('time_in_future');
    const early = { ...good, observedAt: '2026-03-01T12:00:00.000001Z' };
    expect(checkTick(early, { now, toleranceMs: 0 })?.reason).toBe('time_in_future');
  });

  it.each(['bid', 'ask', 'last'])('refuses a %s that is no price', field => {
    for (const value of [0, -0, -1, -1e-320]) {
      expect(reasonOf({ [field]: value })).toBe('price_not_positive');
    }
    for (const value of [Number.NaN, Infinity, -Infinity, '1.1', true, [1], undefined]) {
      expect(reasonOf({ [field]: value })).toBe('price_not_finite');
    }
  });

  it('takes prices of zero and below of an instrument that has them, down to a bound', () => {
    const reason = (bid: number) =>
      checkTick({ ...good, bid } as Tick, { now, allowsNegative: true })?.reason ?? null;
    for (const bid of [0, -0, -37.63, -999_999_999_999_999]) expect(reason(bid)).toBeNull();
    for (const bid of [-1e15, -1e300, 1e15]) expect(reason(bid)).toBe('price_too_large');
    expect(reason(Number.NEGATIVE_INFINITY)).toBe('price_not_finite');
  });

  it('leaves prices of zero and below to the database where only that knows', () => {
    const reason = (bid: number) => checkTick({ ...good, bid } as Tick, { now })?.reason ?? null;
    for (const bid of [0, -0, -37.63, -1e300]) expect(reason(bid)).toBeNull();
    expect(reason(1e15)).toBe('price_too_large');
    expect(reason(Number.NEGATIVE_INFINITY)).toBe('price_not_finite');
  });

  it('refuses a price and a size whose sums would overflow', () => {
    for (const field of ['bid', 'ask', 'last']) {
      expect(reasonOf({ [field]: 1e15 })).toBe('price_too_large');
      expect(reasonOf({ [field]: 999_999_999_999_999 })).toBeNull();
    }
    expect(reasonOf({ size: 1e18 })).toBe('size_too_large');
    expect(reasonOf({ size: 9e17 })).toBeNull();
  });

  it('refuses a size below zero or without end, and a tick without any price', () => {
    expect(reasonOf({ size: -1 })).toBe('size_negative');
    expect(reasonOf({ size: Infinity })).toBe('size_not_finite');
    expect(reasonOf({ size: Number.NaN })).toBe('size_not_finite');
    expect(reasonOf({ bid: null, ask: null })).toBe('no_price');
    expect(reasonOf({ bid: null, ask: null, size: 3 })).toBe('no_price');
  });

  it('takes a seq from 0 to 2^63 - 1 that is exact, and none', () => {
    expect(MAX_SEQ).toBe(2n ** 63n - 1n);
    for (const seq of [0, 2 ** 53 - 1, 2n ** 53n + 1n, MAX_SEQ, null]) {
      expect(reasonOf({ seq })).toBeNull();
    }
    for (const seq of [-1, -1n, 0.5, MAX_SEQ + 1n, 2 ** 53, 2 ** 63, Number.NaN, '1', undefined]) {
      expect(reasonOf({ seq })).toBe('seq_out_of_range');
    }
  });

  it('reads a seq without a float', () => {
    expect(toSeq('9007199254740991')).toBe(9_007_199_254_740_991);
    expect(toSeq('9007199254740993')).toBe(9_007_199_254_740_993n);
    expect(toSeq('9223372036854775807')).toBe(MAX_SEQ);
  });

  it('names the field and a value of bounded length', () => {
    const detail = checkTick({ ...good, symbol: 'x'.repeat(1_000_000) }, { now })?.detail ?? '';
    expect(detail).toContain('symbol');
    expect(detail).toContain('x'.repeat(80));
    expect(detail).not.toContain('x'.repeat(81));
    expect(checkTick({ ...good, bid: -2.5 }, { now, allowsNegative: false })?.detail).toBe(
      'bid -2.5 is not above zero',
    );
  });
});

describe('what is said again', () => {
  const tick = (bid: number): Tick => ({ ...good, bid, ask: null });

  it('is the newest tick that is stored whatever its instrument is, else the newest', () => {
    expect(toSayAgain(undefined, [])).toBeUndefined();
    expect(toSayAgain(tick(1), [tick(2), tick(0), tick(-1)])?.bid).toBe(2);
    expect(toSayAgain(tick(1), [tick(-1)])?.bid).toBe(1);
    expect(toSayAgain(tick(1), [])?.bid).toBe(1);
    expect(toSayAgain(tick(-1), [tick(-2)])?.bid).toBe(-2);
  });
});
