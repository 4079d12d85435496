import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** A file that cannot be read on. The message is one clear line; what came before stays good. */
export class TickFileError extends Error {
  override readonly name = 'TickFileError';
}

/** Enough to know what it is, and few enough that a line that is alone in a pipe is not kept waiting. */
const SNIFFED_BYTES = 8;
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
  const packing = PACKINGS.find(({ magic }) => magic.every((byte, at) => packed.head[at] === byte));
  if (packing === undefined) {
    refuseOtherThanText(packed.head);
    yield* packed.pieces;
    return;
  }
  const plain = await sniff(
    unpackAll(packing, inPieces(packed.pieces, PACKED_PIECE_BYTES), reopen),
  );
  refuseOtherThanText(plain.head);
  yield* plain.pieces;
}

const PACKINGS = [
  { name: 'gzip', magic: [0x1f, 0x8b], create: () => createGunzip({ chunkSize: PIECE_BYTES }) },
  {
    name: 'zstd',
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    create: () => createZstdDecompress({ chunkSize: PIECE_BYTES }),
  },
];
type Packing = (typeof PACKINGS)[number];

function refuseOtherThanText(head: Uint8Array): void {
  const [first, second, third = 0xff] = head;
  // Text begins with PK too, such as PKR/USD.
  if (first === 0x50 && second === 0x4b && third < 0x20) {
    throw new TickFileError(
      'a ZIP archive cannot be read from a pipe: name the file, or unpack it',
    );
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
  return { head: Buffer.concat(seen).subarray(0, 1_024), pieces: whole() };
}

async function* inPieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
  }
}

export class PackedError extends Error {
  override readonly name = 'PackedError';
  /** Where the packed piece begins in which it shows. */
  readonly at: number;
  /** Nothing is wrong with it, but that it ends too early. */
  readonly isCut: boolean;

  constructor(message: string, at = 0, isCut = false) {
    super(message);
    this.at = at;
    this.isCut = isCut;
  }
}

/** A chunk that is not full is lost with the fault in it: what was in it is unpacked again, byte by byte. */
async function* unpackAll(
  packing: Packing,
  pieces: AsyncIterable<Uint8Array>,
  reopen: (() => AsyncIterable<Uint8Array>) | undefined,
): AsyncGenerator<Uint8Array> {
  let given = 0;
  try {
    for await (const piece of unpack(packing, pieces)) {
      given += piece.length;
      yield piece;
    }
  } catch (error) {
    if (!(error instanceof PackedError) || reopen === undefined) throw error;
    let skipped = 0;
    for await (const piece of unpack(packing, inBytesFrom(reopen(), error.at))) {
      const rest = piece.subarray(Math.max(0, given - skipped));
      skipped += piece.length - rest.length;
      if (rest.length > 0) yield rest;
    }
    throw error;
  }
}

/** Members behind each other, as a file has them that was packed in pieces. */
async function* unpack(
  packing: Packing,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { magic } = packing;
  let member = createMember(packing);
  let at = 0;
  /** Of a member that may begin at the end of a piece. */
  let begun: Uint8Array = Buffer.alloc(0);
  try {
    for await (const piece of pieces) {
      let rest: Uint8Array = begun.length === 0 ? piece : Buffer.concat([begun, piece]);
      begun = rest.subarray(0, 0);
      while (rest.length > 0) {
        const used = await member.write(rest);
        yield* member.take();
        rest = rest.subarray(used);
        if (!member.hasEnded()) break;
        if (rest.length < magic.length && rest.every((byte, index) => magic[index] === byte)) {
          begun = rest;
          break;
        }
        if (magic.every((byte, index) => rest[index] === byte)) {
          member.close();
          member = createMember(packing);
          continue;
        }
        if (rest.some(byte => byte !== 0)) {
          throw new PackedError(
            `the ${packing.name} file goes on with something else behind its end`,
            at,
          );
        }
        break;
      }
      at += piece.length;
    }
    if (begun.length > 0) throw new PackedError(`the ${packing.name} file is cut off`, at, true);
    await member.end();
    yield* member.take();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'string' || !/^Z(?:STD)?_/.test(code)) throw error;
    yield* member.take();
    const isCut = code === 'Z_BUF_ERROR';
    throw new PackedError(
      `the ${packing.name} file is ${isCut ? 'cut off' : 'damaged'}`,
      at,
      isCut,
    );
  } finally {
    member.close();
  }
}

/**
 * Not a pipe: a stream that fails drops what it holds, and then the line to name would be chance.
 *
 * With zeros behind its last member, which are padding for gzip itself, the unpacker ends by itself and
 * answers no write any more.
 */
function createMember({ create }: Packing) {
  const unpacker = create();
  let hasEnded = false;
  const ended = once(unpacker, 'end').then(() => {
    hasEnded = true;
  });
  ended.catch(() => {});
  const failure = new Promise<never>((_, fail) => unpacker.once('error', fail));
  failure.catch(() => {});
  let unpacked: Buffer[] = [];
  unpacker.on('data', (data: Buffer) => unpacked.push(data));
  return {
    hasEnded: () => hasEnded,
    /** @returns how many of these bytes belong to it; all of them as long as it has not ended. */
    async write(piece: Uint8Array): Promise<number> {
      const before = unpacker.bytesWritten;
      if (!hasEnded) await Promise.race([writeTo(unpacker, piece), ended, failure]);
      return hasEnded ? unpacker.bytesWritten - before : piece.length;
    },
    async end(): Promise<void> {
      if (hasEnded) return;
      unpacker.end();
      await Promise.race([ended, failure]);
    },
    take(): Buffer[] {
      const all = unpacked;
      unpacked = [];
      return all;
    },
    close: () => unpacker.destroy(),
  };
}

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

function writeTo(unpacker: Transform, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, fail) => {
    unpacker.write(piece, error => (error == null ? resolve() : fail(error)));
  });
}
