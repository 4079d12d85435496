import { describe, expect, it } from 'vitest';
import { reject } from './rejection.ts';
import { oneLine, quote, toNumber } from './text.ts';

describe('numbers as text', () => {
  it('reads decimals and nothing else', () => {
    expect(['1.12', '.5', '5.', '1e-5', '-1', '+2', '007'].map(toNumber)).toEqual([
      1.12, 0.5, 5, 1e-5, -1, 2, 7,
    ]);
    for (const text of [
      '',
      ' ',
      'NaN',
      'Infinity',
      '0x1',
      '1,12',
      '1_0',
      '1 ',
      '--1',
      '.',
      'e5',
      '１',
    ]) {
      expect(toNumber(text)).toBeNull();
    }
    expect(toNumber('1e309')).toBe(Infinity);
  });
});

describe('a rejection', () => {
  it('keeps at most 1,000 characters of the input, all of which the database can store', () => {
    const rejection = reject(null, { reason: 'malformed', detail: 'no' }, `\0${'😀'.repeat(600)}`);
    expect(rejection.raw.length).toBe(1_000);
    expect(rejection.raw.isWellFormed()).toBe(true);
    expect(rejection.raw).not.toContain('\0');
    expect(quote('a\0"\n')).toBe('"a\uFFFD\\"\\n"');
  });
});

describe('a value in a sentence', () => {
  it('is short and can be shown, whatever it is', () => {
    let deep: unknown = [];
    for (let level = 0; level < 100_000; level++) deep = [deep];
    for (const value of [
      deep,
      { toString: 1 },
      Object.create(null),
      null,
      undefined,
      7,
      Symbol('x'),
    ]) {
      expect(quote(value).length).toBeLessThanOrEqual(80);
    }
    expect(quote('\u202e\u009b1m'.repeat(100))).toBe(`"${'\uFFFD\uFFFD1m'.repeat(20)}"`);
  });

  it('is one line where it is words', () => {
    expect(oneLine(' no\r\n\n way\u2028\u001b[2J ', 80)).toBe('no way \uFFFD[2J');
    expect(oneLine('x'.repeat(5_000_000), 5)).toBe('xxxxx');
    expect(oneLine(`${' '.repeat(5_000_000)}x`, 5)).toBe('');
  });
});
