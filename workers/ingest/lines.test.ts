import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineSplitter } from './lines.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);

function splitInPieces(bytes: Uint8Array, cuts: readonly number[], limit: number) {
  const splitter = createLineSplitter(limit);
  const edges = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b)];
  const lines = edges.flatMap((from, index) =>
    splitter.push(bytes.subarray(from, edges[index + 1])),
  );
  return [...lines, ...splitter.end()];
}

describe('splitting a stream into lines', () => {
  it('gives the same lines however the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\n', '\r\n', ',') });
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 20 }), (content, cuts) => {
        const bytes = bytesOf(content);
        expect(splitInPieces(bytes, cuts, 5)).toEqual(splitInPieces(bytes, [], 5));
      }),
      { numRuns: 500 },
    );
  });

  it('takes LF and CRLF, a byte order mark, and a last line without an end', () => {
    const lines = splitInPieces(bytesOf('\uFEFFone\r\ntwo\n\nthree'), [], 100);
    expect(lines.map(line => line.text)).toEqual(['one', 'two', '', 'three']);
    expect(splitInPieces(bytesOf('one\n'), [], 100)).toHaveLength(1);
  });

  it('marks a line beyond the limit, keeps its beginning only, and goes on with the next', () => {
    const lines = splitInPieces(bytesOf(`ok\n${'x'.repeat(50_000)}\nok\n`), [5_000, 20_000], 9_999);
    expect(lines.map(line => line.isTooLong)).toEqual([false, true, false]);
    expect(lines.map(line => line.text.length)).toEqual([2, 1_000, 2]);
    expect(splitInPieces(bytesOf('12345\n123456\n'), [], 5).map(line => line.isTooLong)).toEqual([
      false,
      true,
    ]);
  });

  it('replaces bytes that are not UTF-8', () => {
    expect(splitInPieces(new Uint8Array([0x61, 0xff, 0x0a]), [1], 9)[0]?.text).toBe('a\uFFFD');
  });
});
