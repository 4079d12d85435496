import { crc32, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';

/** A file in an archive. What is not said follows from its content. */
export interface Member {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** The content, deflated already. */
  readonly packed?: Uint8Array;
  /** General purpose bits: 1 is encrypted. */
  readonly flags?: number;
  /** 8 is deflate. */
  readonly method?: number;
  /** What the archive says, true or not. */
  readonly size?: number;
  readonly crc?: number;
}

/** An archive as PKZIP writes it: a local header with each file, and the list of them at its end. */
export function zipOf(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const { name, content, flags = 0, method = 8, ...said } of members) {
    const packed = said.packed ?? deflateRawSync(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(said.crc ?? crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(said.size ?? Buffer.byteLength(content), 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    list.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, tail, Buffer.from(name)]));
    parts.push(local);
    at += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(list.length, 8);
  end.writeUInt16LE(list.length, 10);
  end.writeUInt32LE(Buffer.concat(list).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...list, end]);
}

const cutUp = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
/** Ways to pack a file that a reader has to unpack. */
const ways: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  plain: bytes => bytes,
  gzip: bytes => gzipSync(bytes),
  'gzip with zeros behind it': bytes => Buffer.concat([gzipSync(bytes), Buffer.alloc(20_000)]),
  'gzip members': bytes => Buffer.concat(cutUp(bytes, 777).map(part => gzipSync(part))),
  // As long as the pieces that are read, so that each begins with a piece.
  'gzip members of 8 KB': bytes =>
    Buffer.concat(cutUp(bytes, 8_192 - 23).map(part => gzipSync(part, { level: 0 }))),
  zstd: bytes => zstdCompressSync(bytes),
  'zstd frames': bytes => Buffer.concat(cutUp(bytes, 5_000).map(part => zstdCompressSync(part))),
  'zstd frames of a few bytes': bytes =>
    Buffer.concat(
      cutUp(bytes.subarray(0, 4_000), 40)
        .map(part => zstdCompressSync(part))
        .concat(zstdCompressSync(bytes.subarray(4_000))),
    ),
  zip: bytes => zipOf([{ name: 'ticks.csv', content: bytes }]),
};
/** The names of the ways to pack a file. */
export const packings = fc.constantFrom(...Object.keys(ways));

export function pack(name: string, bytes: Buffer): Buffer {
  return ways[name]?.(bytes) ?? bytes;
}
