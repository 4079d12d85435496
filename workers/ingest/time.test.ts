import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epochMicroseconds, fromEpochMicroseconds, toMicroseconds } from './time.ts';

describe('canonical times', () => {
  it.each([
    ['2026-03-01T10:00:00Z', '2026-03-01T10:00:00.000000Z'],
    ['2026-03-01T10:00:00.1Z', '2026-03-01T10:00:00.100000Z'],
    ['2026-03-01T10:00:00.123456789Z', '2026-03-01T10:00:00.123456Z'],
    ['2026-12-31T23:59:59.999999999Z', '2026-12-31T23:59:59.999999Z'],
    ['2026-03-01T01:30:00.5+02:00', '2026-02-28T23:30:00.500000Z'],
    ['2023-12-31T19:00:00.999999-05:00', '2024-01-01T00:00:00.999999Z'],
    ['2026-03-01t10:00:00z', '2026-03-01T10:00:00.000000Z'],
    ['2026-03-01 10:00:00.123+00', '2026-03-01T10:00:00.123000Z'],
    ['2026-03-01T10:00:00+0530', '2026-03-01T04:30:00.000000Z'],
    ['0001-01-01T01:00:00+01:00', '0001-01-01T00:00:00.000000Z'],
  ])('reads %s as %s', (text, canonical) => expect(toMicroseconds(text)).toBe(canonical));

  it.each([
    '2026-03-01T10:00:00',
    '2026-03-01T10:00:60Z',
    '2026-03-01T24:00:00Z',
    '2026-02-30T10:00:00Z',
    '1900-02-29T10:00:00Z',
    '2026-03-01T10:00:00.1234567891Z',
    '2026-03-01T10:00:00.Z',
    '2026-03-01T10:00:00+24:00',
    '2026-03-01T10:00:00+01:60',
    '0000-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    ' 2026-03-01T10:00:00Z',
    '2026-03-01T10:00:00Z\n',
    '1466620896.201836422',
    '',
  ])('refuses %j', text => expect(toMicroseconds(text)).toBeNull());

  it('turn into whole microseconds and back without loss', () => {
    const microseconds = fc.integer({ min: 0, max: 9_000_000_000_000_000 });
    fc.assert(
      fc.property(microseconds, value => {
        const text = fromEpochMicroseconds(value);
        expect(epochMicroseconds(text)).toBe(value);
        expect(toMicroseconds(text)).toBe(text);
      }),
    );
  });
});
