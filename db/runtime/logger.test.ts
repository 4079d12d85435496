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
    const script = `
      import { createLogger } from ${JSON.stringify(join(import.meta.dirname, 'logger.ts'))};
      createLogger('test', 'info').warn({ reason: process.argv[1] }, process.argv[1]);`;
    const args = ['--input-type=module', '--eval', script, said];
    const { stderr: told } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(told).not.toMatch(obeyed);
    expect(JSON.parse(told)).toMatchObject({ msg: said, reason: said });
  });
});
