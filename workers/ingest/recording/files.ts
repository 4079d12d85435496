import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from '../../../db/runtime/logger.ts';
import { sleep } from '../../../db/runtime/process.ts';
import type { Entry } from './entries.ts';

/** The files that a recording is kept in. */
export interface RecordingFiles {
  /** Never waits, and never fails: what cannot be kept is counted. */
  readonly write: (entry: Entry) => void;
  /** Writes what is left, as far as that goes within three seconds. */
  readonly close: () => Promise<void>;
}

export interface RecordingFilesOptions {
  /** The first file; the next ones are called so with `.1`, `.2` and so on. */
  readonly path: string;
  /** What each file begins with. */
  readonly context: () => readonly Entry[];
  readonly logger: Logger;
  /** So large is a file, about, and all of them together at most; the oldest go then. */
  readonly fileBytes?: number;
  readonly allBytes?: number;
  /** In milliseconds: how much a kill may cost, and how long a disk that takes nothing is left alone. */
  readonly flushEvery?: number;
  readonly retryEvery?: number;
  /** For tests. */
  readonly openFile?: typeof open;
}

const FILE_MEGABYTES = 64;
const ALL_MEGABYTES = 1_024;
const MEGABYTE = 2 ** 20;
/** Of the option that names the file. */
export const RECORDING_HELP = `keep what the source hears, as it comes and without secrets, in this file and the same with .1, .2 and so on: gzip, ${FILE_MEGABYTES} MB each, ${ALL_MEGABYTES} MB in all, of which the oldest go; npm run replay -- --recorded plays it`;
/** Text that may wait for the disk. */
const MOST_WAITING = 8 * MEGABYTE;
const LAST_CHANCE_MS = 3_000;

const pack = promisify(gzip);

/**
 * Each second what came is added as a gzip member of its own, so that whatever kills the process, all before that
 * can be read. A file that is there is never written to: whoever is started anew begins the next one.
 */
export function createRecordingFiles(options: RecordingFilesOptions): RecordingFiles {
  const { path, context, logger, openFile = open } = options;
  const { fileBytes = FILE_MEGABYTES * MEGABYTE, allBytes = ALL_MEGABYTES * MEGABYTE } = options;
  const { flushEvery = 1_000, retryEvery = 10_000 } = options;
  let waiting: string[] = [];
  let waitingLength = 0;
  let lost = 0;
  /** A member that the disk has not taken yet. */
  let unwritten: Buffer | undefined;
  let file: { readonly handle: FileHandle; size: number } | undefined;
  /** What the next file begins with, as it was when the last entry of this one came. */
  let head = context();
  let isFaulty = false;
  let restUntil = 0;
  let writing: Promise<void> | undefined;

  const toLine = (entry: Entry) => `${JSON.stringify(entry)}\n`;

  /** What came until now, in whole lines; what could not be kept is told at its place. */
  function takeWaiting(): string {
    if (lost > 0) waiting.push(toLine({ at: new Date().toISOString(), lost }));
    lost = 0;
    const text = waiting.join('');
    waiting = [];
    waitingLength = 0;
    return text;
  }

  async function writeAll(): Promise<void> {
    if (performance.now() < restUntil) return;
    try {
      unwritten ??= await packWaiting();
      if (unwritten === undefined) return;
      file ??= await beginFile();
      await append(file, unwritten);
      unwritten = undefined;
      if (isFaulty) logger.info({ path }, 'the recording goes on');
      isFaulty = false;
    } catch (error) {
      restUntil = performance.now() + retryEvery;
      if (isFaulty) return;
      isFaulty = true;
      const why = (error as Error).message;
      logger.warn({ path, err: error }, `nothing is recorded until the disk takes it: ${why}`);
    }
  }

  async function packWaiting(): Promise<Buffer | undefined> {
    if (file !== undefined && file.size >= fileBytes) await leaveFile();
    const begun = file === undefined ? head.map(toLine).join('') : '';
    const text = takeWaiting();
    if (text === '') return undefined;
    // As it is behind what was taken: a file that begins then begins with it.
    head = context();
    return pack(begun + text);
  }

  /** A part of it that was written before a fault is written over. */
  async function append(to: { readonly handle: FileHandle; size: number }, member: Buffer) {
    for (let done = 0; done < member.length; ) {
      const { bytesWritten } = await to.handle.write(member, done, undefined, to.size + done);
      done += bytesWritten;
    }
    to.size += member.length;
  }

  async function beginFile() {
    await makeRoom();
    for (;;) {
      const last = (await filesOf(path)).at(-1);
      const name = last === undefined ? path : `${path}.${last.number + 1}`;
      try {
        return { handle: await openFile(name, 'wx', 0o600), size: 0 };
      } catch (error) {
        // Another process was faster.
        if ((error as { code?: string }).code !== 'EEXIST') throw error;
      }
    }
  }

  async function makeRoom(): Promise<void> {
    const files = await filesOf(path);
    let all = files.reduce((sum, each) => sum + each.size, fileBytes);
    for (const oldest of files) {
      if (all <= allBytes) return;
      await unlink(oldest.path);
      all -= oldest.size;
    }
  }

  async function leaveFile(): Promise<void> {
    const { handle } = file ?? {};
    file = undefined;
    await handle?.close();
  }

  function flush(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined;
    });
    return writing;
  }

  const timer = setInterval(() => void flush(), flushEvery);
  timer.unref();

  return {
    write(entry) {
      if (waitingLength >= MOST_WAITING) {
        lost += 1;
        return;
      }
      const line = toLine(entry);
      waiting.push(line);
      waitingLength += line.length;
      if (waitingLength > MOST_WAITING / 8) void flush();
    },
    async close() {
      clearInterval(timer);
      const finish = async () => {
        await writing;
        restUntil = 0;
        await flush();
        if (waiting.length > 0) await flush();
        await leaveFile();
      };
      await Promise.race([finish(), sleep(LAST_CHANCE_MS)]);
    },
  };
}

export interface RecordingFile {
  readonly path: string;
  readonly number: number;
  readonly size: number;
}

/** The files of a recording that are there, the oldest first. */
export async function filesOf(path: string): Promise<RecordingFile[]> {
  const [folder, name] = [dirname(path), basename(path)];
  const found: RecordingFile[] = [];
  for (const each of await readdir(folder)) {
    const number = each === name ? 0 : numberIn(each, name);
    if (number === undefined) continue;
    const own = join(folder, each);
    const { size } = await stat(own);
    found.push({ path: own, number, size });
  }
  return found.sort((a, b) => a.number - b.number);
}

function numberIn(file: string, name: string): number | undefined {
  if (!file.startsWith(`${name}.`)) return undefined;
  const rest = file.slice(name.length + 1);
  return /^[1-9]\d{0,8}$/.test(rest) ? Number(rest) : undefined;
}
