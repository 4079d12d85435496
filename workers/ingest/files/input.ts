import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { sleep } from '../../../db/runtime/process.ts';
import { PackedError, TickFileError } from './text.ts';

/** Where the bytes of a file of ticks come from. */
export interface Input {
  readonly name: string;
  /** SHA-256 of the size and the first 64 KB; null when it cannot be read again, or is still growing. */
  readonly fingerprint: string | null;
  /** Packed; null: nobody knows. */
  readonly bytes: number | null;
  readonly bytesRead: () => number;
  readonly open: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** The same bytes from their beginning. */
  readonly reopen?: () => AsyncIterable<Uint8Array>;
}

const lookEveryMs = 200;
const TICK_FILE = /\.(?:csv|txt|tsv)(?:\.(?:gz|zst))?$|\.(?:zip|gz|zst)$/i;

/** The files that a name stands for: itself, or of a folder those that may hold ticks, by their names. */
export async function filesOf(name: string): Promise<string[]> {
  if (name === '-' || !(await stat(name)).isDirectory()) return [name];
  const found = (await readdir(name, { withFileTypes: true }))
    .filter(entry => !entry.isDirectory() && TICK_FILE.test(entry.name))
    .map(entry => join(name, entry.name))
    .sort();
  if (found.length === 0) throw new TickFileError(`the folder ${name} holds no file of ticks`);
  return found;
}

/** @param name A file, a pipe that has a name, or `-` for standard input. */
export async function openInput(name: string, { isFollowed = false } = {}): Promise<Input> {
  if (name === '-') return stream('standard input', () => process.stdin);
  if (!(await stat(name)).isFile()) return stream(basename(name), () => createReadStream(name));
  const handle = await open(name, 'r');
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(65_536), 0, 65_536, 0);
    const head = buffer.subarray(0, bytesRead);
    const hash = createHash('sha256').update(`${size} `).update(head);
    const whole = { name: basename(name), fingerprint: hash.digest('hex'), bytes: size };
    if (isFollowed) return follow(name);
    return isZip(head) ? await zip(name, whole) : plain(name, whole);
  } finally {
    await handle.close();
  }
}

const isZip = (head: Uint8Array): boolean =>
  head[0] === 0x50 &&
  head[1] === 0x4b &&
  ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));

function stream(name: string, open: () => AsyncIterable<Uint8Array>): Input {
  let bytesRead = 0;
  async function* counted() {
    for await (const piece of open()) {
      bytesRead += piece.length;
      yield piece;
    }
  }
  return { name, fingerprint: null, bytes: null, bytesRead: () => bytesRead, open: counted };
}

function plain(path: string, whole: Pick<Input, 'name' | 'fingerprint' | 'bytes'>): Input {
  const make = () => createReadStream(path, { highWaterMark: 64 * 1024 });
  const counted = stream(whole.name, make);
  return { ...counted, ...whole, reopen: make };
}

/** What comes to the end of a file is read until the signal aborts. */
function follow(path: string): Input {
  let bytesRead = 0;
  async function* grown(signal: AbortSignal) {
    const handle: FileHandle = await open(path, 'r');
    try {
      while (!signal.aborted) {
        const { buffer, bytesRead: got } = await handle.read(Buffer.alloc(65_536));
        bytesRead += got;
        if (got > 0) yield buffer.subarray(0, got);
        else await sleep(lookEveryMs, signal);
      }
    } finally {
      await handle.close();
    }
  }
  return {
    name: basename(path),
    fingerprint: null,
    bytes: null,
    bytesRead: () => bytesRead,
    open: grown,
  };
}

/** The one file of ticks in an archive; what is beside it, such as HistData's report, is left. */
async function zip(
  path: string,
  whole: Pick<Input, 'name' | 'fingerprint' | 'bytes'>,
): Promise<Input> {
  const entries = await entriesOf(path);
  const tables = entries.filter(name => /\.(?:csv|tsv)$/i.test(name));
  const candidates = tables.length > 0 ? tables : entries;
  const [name] = candidates;
  if (name === undefined) throw new TickFileError('the ZIP archive holds no file');
  if (candidates.length !== 1) {
    const told = candidates.slice(0, 5).join(', ');
    throw new TickFileError(
      `the ZIP archive holds ${candidates.length} files (${told}): unpack it and name the one, or their folder`,
    );
  }
  let bytesRead = 0;
  async function* unpacked(): AsyncGenerator<Uint8Array> {
    const archive = await yauzl.openPromise(path);
    try {
      for await (const entry of archive.eachEntry()) {
        if (entry.fileName !== name) continue;
        refuseSealed(entry);
        const content = await archive.openReadStreamPromise(entry);
        let crc = 0;
        for await (const piece of content) {
          crc = crc32(piece, crc);
          bytesRead += piece.length * (entry.compressedSize / Math.max(1, entry.uncompressedSize));
          yield piece;
        }
        // The archive's reader leaves this to us.
        if (crc !== entry.crc32) throw new PackedError('the checksum is another one');
        return;
      }
    } catch (error) {
      if (error instanceof TickFileError) throw error;
      throw new PackedError('the ZIP archive is damaged');
    } finally {
      archive.close();
    }
  }
  return { ...whole, bytesRead: () => Math.round(bytesRead), open: unpacked };
}

function refuseSealed(entry: yauzl.Entry): void {
  if (entry.isEncrypted()) {
    throw new TickFileError('the file in the ZIP archive is encrypted: unpack it first');
  }
  const { compressionMethod: method } = entry;
  if (method !== 0 && method !== 8) {
    throw new TickFileError(
      `the file in the ZIP archive is packed by method ${method}, and only 0 and 8 are read: unpack it first`,
    );
  }
}

async function entriesOf(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    const archive = await yauzl.openPromise(path);
    try {
      for await (const { fileName } of archive.eachEntry()) {
        if (!fileName.endsWith('/')) names.push(fileName);
      }
    } finally {
      archive.close();
    }
  } catch {
    throw new TickFileError('the ZIP archive is damaged, or cut off');
  }
  return names;
}
