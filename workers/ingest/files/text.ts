import { once } from 'node:events';
import { createGunzip } from 'node:zlib';

/** A file that cannot be read on. The message is one clear line; what came before stays good. */
export class TickFileError extends Error {
  override readonly name = 'TickFileError';
}

const SNIFFED_BYTES = 1_024;
const PIECE_BYTES = 65_536;
/** Even a gzip bomb makes no more than a thousand times this at once. */
const PACKED_PIECE_BYTES = 8_192;

/**
 * The text of the file as UTF-8, unpacked.
 * @param reopen The same bytes from their beginning, if they can be had again: of a damaged file then
 *   everything before the damage is given, else all but the last 64 KB before it.
 */
export async function* readText(
  stream: AsyncIterable<Uint8Array>,
  reopen?: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const packed = await sniff(inPieces(stream, PIECE_BYTES));
  if (packed.head[0] !== 0x1f || packed.head[1] !== 0x8b) {
    refuseOtherThanText(packed.head);
    yield* packed.pieces;
    return;
  }
  const plain = await sniff(gunzip(inPieces(packed.pieces, PACKED_PIECE_BYTES), reopen));
  refuseOtherThanText(plain.head);
  yield* plain.pieces;
}

function refuseOtherThanText(head: Uint8Array): void {
  const [first, second] = head;
  if (first === 0x50 && second === 0x4b) {
    throw new TickFileError('the file is a ZIP archive: unpack it first, or pack it with gzip');
  }
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new TickFileError('the file is UTF-16 text: convert it to UTF-8 first');
  }
  if (head.includes(0)) {
    throw new TickFileError('the file is binary or UTF-16, not UTF-8 text');
  }
}

/** Looks at the beginning of a stream without losing it. */
async function sniff(pieces: AsyncGenerator<Uint8Array>) {
  const seen: Uint8Array[] = [];
  for (let length = 0; length < SNIFFED_BYTES; ) {
    const { value, done } = await pieces.next();
    if (done === true) break;
    seen.push(value);
    length += value.length;
  }
  async function* whole() {
    try {
      yield* seen;
      yield* pieces;
    } finally {
      await pieces.return(undefined);
    }
  }
  return { head: Buffer.concat(seen).subarray(0, SNIFFED_BYTES), pieces: whole() };
}

async function* inPieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
  }
}

export class GzipError extends Error {
  override readonly name = 'GzipError';
  /** Where the packed piece begins in which it shows. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** A chunk that is not full is lost with the fault in it: what was in it is unpacked again, byte by byte. */
async function* gunzip(
  pieces: AsyncIterable<Uint8Array>,
  reopen: (() => AsyncIterable<Uint8Array>) | undefined,
): AsyncGenerator<Uint8Array> {
  let given = 0;
  try {
    for await (const piece of unpack(pieces)) {
      given += piece.length;
      yield piece;
    }
  } catch (error) {
    if (!(error instanceof GzipError) || reopen === undefined) throw error;
    let skipped = 0;
    for await (const piece of unpack(inBytesFrom(reopen(), error.at))) {
      const rest = piece.subarray(Math.max(0, given - skipped));
      skipped += piece.length - rest.length;
      if (rest.length > 0) yield rest;
    }
    throw error;
  }
}

/**
 * Not a pipe: a stream that fails drops what it holds, and then the line to name would be chance.
 *
 * Zeros behind the last member are padding, as for gzip itself; from there on the unpacker has ended and
 * answers no write.
 */
async function* unpack(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unpacker = createGunzip({ chunkSize: PIECE_BYTES });
  let hasEnded = false;
  const ended = once(unpacker, 'end').then(() => {
    hasEnded = true;
  });
  ended.catch(() => {});
  const failure = new Promise<never>((_, fail) => unpacker.once('error', fail));
  failure.catch(() => {});
  let unpacked: Buffer[] = [];
  unpacker.on('data', (data: Buffer) => unpacked.push(data));
  let at = 0;
  try {
    for await (const piece of pieces) {
      if (!hasEnded) await Promise.race([writeTo(unpacker, piece), ended, failure]);
      yield* unpacked.splice(0);
      if (hasEnded && piece.subarray(Math.max(0, unpacker.bytesWritten - at)).some(isNotZero)) {
        throw new GzipError('the gzip file goes on with something else behind its end', at);
      }
      at += piece.length;
    }
    if (!hasEnded) {
      unpacker.end();
      await Promise.race([ended, failure]);
    }
    yield* unpacked.splice(0);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw error;
    yield* unpacked;
    unpacked = [];
    const isCut = code === 'Z_BUF_ERROR';
    throw new GzipError(isCut ? 'the gzip file is cut off' : 'the gzip file is damaged', at);
  } finally {
    unpacker.destroy();
  }
}

const isNotZero = (byte: number): boolean => byte !== 0;

async function* inBytesFrom(
  stream: AsyncIterable<Uint8Array>,
  start: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const piece of inPieces(stream, PACKED_PIECE_BYTES)) {
    const whole = piece.subarray(0, Math.max(0, start - at));
    if (whole.length > 0) yield whole;
    for (let from = whole.length; from < piece.length; from++) yield piece.subarray(from, from + 1);
    at += piece.length;
  }
}

function writeTo(unpacker: ReturnType<typeof createGunzip>, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, fail) => {
    unpacker.write(piece, error => (error == null ? resolve() : fail(error)));
  });
}
