import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeUnprintable, printable } from './logger.ts';

/** What is no letter, digit, mark or sign: controls, formats, halves of characters; unassigned ones too. */
const obeyed = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code)) }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      '\u001b',
      '\u009b',
      '\u007f',
      '\u202e',
      '\u2028',
      '\ud83d',
      '\u{e0041}',
    ),
  }),
);

describe('text from outside', () => {
  it('has nothing in it that a terminal obeys, and keeps its length', () => {
    fc.assert(
      fc.property(texts, text => {
        expect(printable(text)).not.toMatch(obeyed);
        expect(printable(text).length).toBeLessThanOrEqual(text.length);
        expect(printable(printable(text))).toBe(printable(text));
      }),
      { numRuns: 1_000 },
    );
    expect(printable('Grüße, 世界 😀\tA\nB')).toBe('Grüße, 世界 😀\tA\nB');
    expect(printable('a\u202eb\u0000\r\u2065')).toBe('a\uFFFDb\uFFFD\uFFFD\uFFFD');
  });

  it('stands in the log as it came, escaped', () => {
    fc.assert(
      fc.property(texts, text => {
        const line = escapeUnprintable(JSON.stringify({ text }));
        expect(line).not.toMatch(obeyed);
        expect(JSON.parse(line)).toEqual({ text });
      }),
      { numRuns: 1_000 },
    );
  });

  it('stands so in the log of each process', () => {
    const said = 'no \u001b[2J\u009b31m\u202e gone\u2028';
    const told = logged('warn({ reason: process.argv[1] }, process.argv[1])', said);
    expect(told).not.toMatch(obeyed);
    expect(JSON.parse(told)).toMatchObject({ msg: said, reason: said });
  });
});

describe('an error in the log', () => {
  const told = (code: string) =>
    JSON.parse(
      logged(
        'warn({ err: Object.assign(new Error("no"), { code: process.argv[1] }) }, "so")',
        code,
      ),
    ).err;

  it('says where it was only when that tells something', () => {
    for (const code of ['ECONNRESET', '57P01', 'CONNECTION_CLOSED', '53300']) {
      expect(told(code), code).toEqual({ name: 'Error', message: 'no', code });
    }
    expect(told('22012')).toMatchObject({ code: '22012', stack: expect.stringContaining('at ') });
  });
});

/** What one call of a process's logger writes. */
function logged(call: string, argument: string): string {
  const script = `
    import { createLogger } from ${JSON.stringify(join(import.meta.dirname, 'logger.ts'))};
    createLogger('test', 'info').${call};`;
  const args = ['--input-type=module', '--eval', script, argument];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).stderr;
}
