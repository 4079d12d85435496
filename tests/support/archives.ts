import { crc32, deflateRawSync } from 'node:zlib';

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
