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

/** The text of the file as UTF-8, unpacked. */
export async function* readText(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const packed = await sniff(inPieces(stream, PIECE_BYTES));
  if (packed.head[0] !== 0x1f || packed.head[1] !== 0x8b) {
    refuseOtherThanText(packed.head);
    yield* packed.pieces;
    return;
  }
  const plain = await sniff(gunzip(inPieces(packed.pieces, PACKED_PIECE_BYTES)));
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
}

/** Not a pipe: a stream that fails drops what it holds, and then the line to name would be chance. */
async function* gunzip(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unpacker = createGunzip({ chunkSize: PIECE_BYTES });
  const failure = new Promise<never>((_, fail) => unpacker.once('error', fail));
  failure.catch(() => {});
  let unpacked: Buffer[] = [];
  unpacker.on('data', (data: Buffer) => unpacked.push(data));
  try {
    for await (const piece of pieces) {
      await Promise.race([writeTo(unpacker, piece), failure]);
      yield* unpacked.splice(0);
    }
    unpacker.end();
    await Promise.race([once(unpacker, 'end'), failure]);
    yield* unpacked.splice(0);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw error;
    yield* unpacked;
    unpacked = [];
    const isCut = code === 'Z_BUF_ERROR';
    throw new GzipError(isCut ? 'the gzip file is cut off' : 'the gzip file is damaged');
  } finally {
    unpacker.destroy();
  }
}

function writeTo(unpacker: ReturnType<typeof createGunzip>, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, fail) => {
    unpacker.write(piece, error => (error == null ? resolve() : fail(error)));
  });
}
