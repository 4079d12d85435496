export interface Line {
  /** Without its line end; of a line that is too long only the beginning. */
  readonly text: string;
  readonly isTooLong: boolean;
}

export interface LineSplitter {
  /** The lines that this piece of UTF-8 completes. */
  readonly push: (bytes: Uint8Array) => Line[];
  /** What is left at the end: a last line without a line end, or nothing. */
  readonly end: () => Line[];
}

const KEPT_OF_TOO_LONG = 1_000;

/**
 * Cuts a stream of UTF-8 into lines (LF or CRLF), wherever its pieces are cut, holding at most
 * `limit` characters of an unfinished line. A leading byte order mark is dropped.
 */
export function createLineSplitter(limit: number): LineSplitter {
  const decoder = new TextDecoder();
  let pending = '';
  let isTooLong = false;

  const grow = (part: string) => {
    if (isTooLong) return;
    pending += part;
    if (pending.length <= limit) return;
    isTooLong = true;
    pending = pending.slice(0, Math.min(limit, KEPT_OF_TOO_LONG));
  };
  const finish = (): Line => {
    const line = { text: pending.endsWith('\r') ? pending.slice(0, -1) : pending, isTooLong };
    pending = '';
    isTooLong = false;
    return line;
  };
  const split = (text: string): Line[] => {
    const parts = text.split('\n');
    const rest = parts.pop() ?? '';
    const lines = parts.map(part => {
      grow(part);
      return finish();
    });
    grow(rest);
    return lines;
  };
  return {
    push: bytes => split(decoder.decode(bytes, { stream: true })),
    end: () => {
      const lines = split(decoder.decode());
      return pending === '' ? lines : [...lines, finish()];
    },
  };
}
