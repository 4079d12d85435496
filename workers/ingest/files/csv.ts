import { CsvError, parse } from 'csv-parse/sync';
import { createLineSplitter, type Line } from '../lines.ts';
import type { Rejection } from '../rejection.ts';
import { type Fault, reject } from '../rejection.ts';
import type { Tick } from '../source.ts';
import { quote, toNumber } from '../text.ts';
import { checkTick, toSeq } from '../tick.ts';
import { HeaderError, type Row, type RowReader, recognise, TICK_FILE_LAYOUTS } from './layouts.ts';
import { GzipError, readText, TickFileError } from './text.ts';

export { type Layout, TICK_FILE_LAYOUTS } from './layouts.ts';
export { TickFileError } from './text.ts';

export interface ReadTicksOptions {
  /** Whose ticks the file holds. */
  readonly symbol: string;
  /** Our clock in milliseconds since 1970: later ticks are rejected. */
  readonly now: number;
  /** The same bytes from their beginning, if they can be had again: then nothing before a damage is lost. */
  readonly reopen?: () => AsyncIterable<Uint8Array>;
}

/** What became of one line; lines are counted from 1, with the header and empty ones. */
export type TickFileItem =
  | { readonly line: number; readonly tick: Tick }
  | { readonly line: number; readonly rejection: Rejection };

const MAX_LINE_LENGTH = 10_000;
const LINES_TO_RECOGNISE = 10;
const KEPT_COPIES = 100_000;

interface NumberedLine extends Line {
  readonly number: number;
}

/**
 * Reads ticks from a CSV file in one of {@link TICK_FILE_LAYOUTS}, gzip or not, piece by piece: no more
 * is read than the caller asks for, and memory does not grow with the file.
 *
 * Lines of one time and content without `seq` are counted, so that all are kept and reading the file
 * again gives the same ticks.
 * @throws {TickFileError} for a file that as a whole cannot be read; errors of the stream itself pass.
 */
export async function* readTicks(
  stream: AsyncIterable<Uint8Array>,
  options: ReadTicksOptions,
): AsyncGenerator<readonly TickFileItem[]> {
  const toItem = createItemMaker(options);
  let reader: RowReader | null = null;
  let unread: NumberedLine[] = [];
  for await (const lines of readLines(stream, options.reopen)) {
    unread.push(...lines);
    if (reader === null) {
      const found = findReader(unread);
      if (found === null && unread.length >= LINES_TO_RECOGNISE) throw unrecognised(unread);
      if (found === null) continue;
      reader = found.reader;
      unread = unread.filter(line => line !== found.header);
    }
    const records = parseLines(unread);
    const { read } = reader;
    const items = unread.map((line, index) => toItem(line, records[index] ?? null, read));
    unread = [];
    if (items.length > 0) yield items;
  }
  if (unread.length > 0) throw unrecognised(unread);
}

/** Groups of lines that are not empty, numbered. */
async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  reopen: ReadTicksOptions['reopen'],
): AsyncGenerator<NumberedLine[]> {
  const splitter = createLineSplitter(MAX_LINE_LENGTH);
  let number = 0;
  let last = 0;
  const toNumbered = (lines: readonly Line[]) => {
    const numbered = lines
      .map(line => ({ ...line, number: ++number }))
      .filter(line => line.isTooLong || line.text.trim() !== '');
    last = numbered.at(-1)?.number ?? last;
    return numbered;
  };
  try {
    for await (const piece of readText(stream, reopen)) yield toNumbered(splitter.push(piece));
  } catch (error) {
    if (!(error instanceof GzipError)) throw error;
    throw new TickFileError(`${error.message}: line ${last} is the last whole one`);
  }
  yield toNumbered(splitter.end());
}

function findReader(lines: readonly NumberedLine[]) {
  for (const line of lines.slice(0, LINES_TO_RECOGNISE)) {
    const [fields] = parseLines([line]);
    const reader = fields == null ? null : recogniseOrRefuse(fields, line.number);
    if (reader !== null) return { reader, header: reader.isHeader ? line : null };
  }
  return null;
}

function recogniseOrRefuse(fields: readonly string[], line: number): RowReader | null {
  try {
    return recognise(fields);
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    throw new TickFileError(`the header in line ${line} cannot be used: ${error.message}`);
  }
}

function unrecognised(lines: readonly NumberedLine[]): TickFileError {
  const examples = TICK_FILE_LAYOUTS.map(layout => layout.example).join('  or  ');
  const [first] = lines;
  return new TickFileError(
    `no known layout: line ${first?.number} is ${quote(first?.text)}; known are  ${examples}`,
  );
}

/**
 * The fields of each line, null where it is no CSV. All lines at once is fifteen times as fast as one
 * by one, but an open quote then swallows the lines after it: these few are parsed alone.
 */
function parseLines(lines: readonly Line[]): (string[] | null)[] {
  const texts = lines.map(line => (line.isTooLong ? 'x' : line.text));
  const records = parseCsv(texts.join('\n'));
  if (records?.length === lines.length) return records;
  return texts.map(text => {
    const alone = parseCsv(text);
    return alone?.length === 1 ? (alone[0] ?? null) : null;
  });
}

function parseCsv(text: string): string[][] | null {
  try {
    return parse(text, { record_delimiter: '\n', relax_column_count: true, trim: true });
  } catch (error) {
    if (error instanceof CsvError) return null;
    throw error;
  }
}

function createItemMaker({ symbol, now }: ReadTicksOptions) {
  const nextCopy = createCopies();
  return (
    line: NumberedLine,
    fields: readonly string[] | null,
    read: RowReader['read'],
  ): TickFileItem => {
    const refuse = (fault: Fault) => ({
      line: line.number,
      rejection: reject(symbol, fault, line.text),
    });
    if (line.isTooLong) return refuse(TOO_LONG);
    if (fields === null) return refuse(NOT_CSV);
    const row = read(fields, symbol);
    if ('reason' in row) return refuse(row);
    const tick = toTick(symbol, row);
    if ('reason' in tick) return refuse(tick);
    const fault = checkTick(tick, { now });
    if (fault !== null) return refuse(fault);
    return {
      line: line.number,
      tick: tick.seq === null ? { ...tick, copy: nextCopy(tick) } : tick,
    };
  };
}

const TOO_LONG: Fault = {
  reason: 'line_too_long',
  detail: `the line has more than ${MAX_LINE_LENGTH} characters`,
};
const NOT_CSV: Fault = { reason: 'malformed', detail: 'the quotes in the line do not match' };

/**
 * Counts the ticks of one time and content. Memory has an end: two that are alike and further apart than
 * {@link KEPT_COPIES} others are taken for one.
 */
function createCopies(): (tick: Tick) => number {
  let newer = new Map<string, number>();
  let older = new Map<string, number>();
  return ({ observedAt, bid, ask, last, size }) => {
    const key = `${observedAt} ${bid} ${ask} ${last} ${size}`;
    const copy = (newer.get(key) ?? older.get(key) ?? 0) + 1;
    newer.set(key, copy);
    if (newer.size >= KEPT_COPIES) {
      older = newer;
      newer = new Map();
    }
    return copy;
  };
}

function toTick(symbol: string, row: Row): Tick | Fault {
  if (row.observedAt === null) {
    return {
      reason: 'time_malformed',
      detail: `time ${quote(row.timeText)} is not a time of this layout, or does not exist`,
    };
  }
  const numbers = { bid: row.bid, ask: row.ask, last: row.last, size: row.size, seq: row.seq };
  for (const [name, text] of Object.entries(numbers)) {
    if (text !== '' && toNumber(text) === null) {
      return { reason: 'number_malformed', detail: `${name} ${quote(text)} is not a number` };
    }
  }
  return {
    symbol,
    observedAt: row.observedAt,
    seq: row.seq === '' ? null : /^\d+$/.test(row.seq) ? toSeq(row.seq) : Number(row.seq),
    bid: toNumber(row.bid),
    ask: toNumber(row.ask),
    last: toNumber(row.last),
    size: toNumber(row.size),
  };
}
