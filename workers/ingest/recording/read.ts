import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { PackedError, readText } from '../files/text.ts';
import { createLineSplitter } from '../lines.ts';
import { SourceError } from '../source.ts';
import type { Entry } from './entries.ts';
import { filesOf } from './files.ts';

/** Longer than the longest answer, however it is escaped. */
const LONGEST_ENTRY = 64 * 2 ** 20;

/**
 * The entries of a recording in their order: of this file, and of those that follow it by number. Gzip or the
 * plain text of it. What a kill has torn off at the end of a file is left out.
 *
 * @param onDamage Is told of a file that cannot be read to its end; it goes on with the next one.
 * @throws {SourceError} when there is no such file, or it is none of a recording.
 */
export async function* readRecording(
  path: string,
  onDamage: (words: string) => void,
): AsyncGenerator<Entry> {
  const files = await filesOf(path).catch(() => []);
  const [first] = files;
  if (first === undefined) throw new SourceError(`there is no recording ${path}`);
  if (!(await stat(first.path)).isFile()) throw new SourceError(`${path} is no file`);
  for (const file of files) yield* readFile(file.path, onDamage);
}

async function* readFile(path: string, onDamage: (words: string) => void): AsyncGenerator<Entry> {
  const splitter = createLineSplitter(LONGEST_ENTRY);
  let count = 0;
  /** A line that is none; behind a damage that has not shown yet there is anything. */
  let bad: number | undefined;
  try {
    for await (const piece of readText(createReadStream(path), () => createReadStream(path))) {
      for (const { text } of splitter.push(piece)) {
        if (bad !== undefined) break;
        count += 1;
        const entry = parse(text);
        const isOne = entry !== undefined && (count > 1 || 'recording' in entry);
        if (!isOne) bad = count;
        else if ('recording' in entry && entry.recording !== 1) {
          throw new SourceError(`${path} is a recording of another layout, ${entry.recording}`);
        } else yield entry;
      }
    }
  } catch (error) {
    if (!(error instanceof PackedError)) throw error;
    if (!error.isCut) onDamage(`${path}: ${error.message}, behind line ${(bad ?? count + 1) - 1}`);
    return;
  }
  if (bad !== undefined) throw new SourceError(`line ${bad} of ${path} is none of a recording`);
  // Without its line end it may be a part of a line.
  for (const { text } of splitter.end()) {
    const entry = parse(text);
    if (entry !== undefined && count > 0) yield entry;
  }
}

function parse(text: string): Entry | undefined {
  try {
    const entry: unknown = JSON.parse(text);
    const isEntry = typeof entry === 'object' && entry !== null && 'at' in entry;
    return isEntry && !Number.isNaN(Date.parse(String(entry.at))) ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}
