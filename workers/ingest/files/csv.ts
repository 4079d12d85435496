import { createLineSplitter, type Line } from '../lines.ts';
import type { Rejection } from '../rejection.ts';
import { type Fault, reject } from '../rejection.ts';
import type { Tick } from '../source.ts';
import { quote, toNumber } from '../text.ts';
import { checkTick, toSeq } from '../tick.ts';
import { splitFields } from './fields.ts';
import {
  HeaderError,
  type ReadingOptions,
  type Row,
  type RowReader,
  recognise,
  TICK_FILE_LAYOUTS,
} from './layouts.ts';
import { PackedError, readText, TickFileError } from './text.ts';

export { type Columns, type Layout, parseColumns, TICK_FILE_LAYOUTS } from './layouts.ts';
export { TickFileError } from './text.ts';

export interface ReadTicksOptions extends ReadingOptions {
  /** Whose ticks the file holds. */
  readonly symbol: string;
  /** Our clock in milliseconds since 1970: later ticks are rejected. */
  readonly now: number;
  /** Prices of zero and below are prices. */
  readonly allowsNegative?: boolean;
  /** The same bytes from their beginning, if they can be had again: then nothing before a damage is lost. */
  readonly reopen?: () => AsyncIterable<Uint8Array>;
  /** One of {@link TICK_FILE_LAYOUTS}; absent: found from the first lines, as are these two. */
  readonly layout?: string;
  readonly delimiter?: string;
  /** The mark between a number and its fraction. */
  readonly decimal?: '.' | ',';
}

/** What became of one line; lines are counted from 1, with the header and empty ones. */
export type TickFileItem =
  | {
      readonly line: number;
      readonly tick: Tick;
      /** Digits after the decimal mark of its longest price. */
      readonly decimals: number;
    }
  | { readonly line: number; readonly rejection: Rejection };

const MAX_LINE_LENGTH = 10_000;
const LINES_TO_RECOGNISE = 10;
const LINES_WITHOUT_HOPE = 1_000;
const DELIMITERS = [',', ';', '\t'];
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
  let reading: { reader: RowReader; delimiter: string } | null = null;
  let toItem: ItemMaker | null = null;
  const judge = createJudge();
  let unread: NumberedLine[] = [];
  for await (const lines of readLines(stream, options.reopen)) {
    unread.push(...lines);
    if (reading === null || toItem === null) {
      const found = findReader(unread, options);
      if (found === null && unread.length >= LINES_TO_RECOGNISE) throw unrecognised(unread);
      if (found === null) continue;
      reading = found;
      toItem = createItemMaker(options, found.delimiter);
      unread = unread.filter(line => line !== found.header);
    }
    const { read } = reading.reader;
    const makeItem = toItem;
    const items = unread.map(line => makeItem(line, read));
    unread = [];
    const told = judge.take(items);
    if (told.length > 0) yield told;
    judge.refuse(LINES_WITHOUT_HOPE);
  }
  if (unread.length > 0) throw unrecognised(unread);
  judge.refuse(1);
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
    const numbered: NumberedLine[] = [];
    for (const { text, isTooLong } of lines) {
      number += 1;
      if (isTooLong || text.trim() !== '') numbered.push({ text, isTooLong, number });
    }
    last = numbered.at(-1)?.number ?? last;
    return numbered;
  };
  try {
    for await (const piece of readText(stream, reopen)) yield toNumbered(splitter.push(piece));
  } catch (error) {
    if (!(error instanceof PackedError)) throw error;
    throw new TickFileError(`${error.message}: line ${last} is the last whole one`);
  }
  yield toNumbered(splitter.end());
}

function findReader(lines: readonly NumberedLine[], options: ReadTicksOptions) {
  const delimiters = options.delimiter === undefined ? DELIMITERS : [options.delimiter];
  for (const line of lines.slice(0, LINES_TO_RECOGNISE)) {
    for (const delimiter of delimiters) {
      const fields = line.isTooLong ? null : splitFields(line.text, delimiter);
      const reader = fields && recogniseOrRefuse(fields, line.number, options);
      if (reader !== null) return { reader, delimiter, header: reader.isHeader ? line : null };
    }
  }
  return null;
}

function recogniseOrRefuse(
  fields: readonly string[],
  line: number,
  options: ReadTicksOptions,
): RowReader | null {
  const { layout: wanted } = options;
  const layouts = TICK_FILE_LAYOUTS.filter(({ name }) => wanted === undefined || name === wanted);
  try {
    return recognise(fields, layouts, options);
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    throw new TickFileError(`line ${line} says that the file cannot be read: ${error.message}`);
  }
}

function unrecognised(lines: readonly NumberedLine[]): TickFileError {
  const [first] = lines;
  return new TickFileError(
    `no known layout: line ${first?.number} is ${quote(first?.text)}; --help lists the layouts, and --columns reads others`,
  );
}

/** Gives up on a file none of whose lines is a tick: more of them would only be more of the same. */
function createJudge() {
  let isTicks = false;
  let refused = 0;
  let first: { line: number; detail: string } | undefined;
  return {
    /** As many of them as are to be told. */
    take(items: readonly TickFileItem[]): readonly TickFileItem[] {
      if (isTicks) return items;
      for (const [index, item] of items.entries()) {
        isTicks ||= 'tick' in item;
        if (isTicks) return items;
        refused += 1;
        if ('rejection' in item) first ??= { line: item.line, detail: item.rejection.detail };
        if (refused >= LINES_WITHOUT_HOPE) return items.slice(0, index + 1);
      }
      return items;
    },
    /** @throws {TickFileError} when so many lines or more were refused, and no tick came. */
    refuse(from: number): void {
      if (isTicks || first === undefined || refused < from) return;
      throw new TickFileError(
        `none of the first ${refused} lines is a tick: line ${first.line}: ${first.detail}`,
      );
    },
  };
}

type ItemMaker = (line: NumberedLine, read: RowReader['read']) => TickFileItem;

function createItemMaker(
  { symbol, now, allowsNegative = false, decimal }: ReadTicksOptions,
  delimiter: string,
): ItemMaker {
  const nextCopy = createCopies();
  const hasComma = decimal === undefined ? delimiter !== ',' : decimal === ',';
  return (line, read) => {
    const { number, text } = line;
    const refuse = (fault: Fault) => ({ line: number, rejection: reject(symbol, fault, text) });
    if (line.isTooLong) return refuse(TOO_LONG);
    const fields = splitFields(text, delimiter);
    if (fields === null) return refuse(NOT_CSV);
    const row = read(fields, symbol);
    if ('reason' in row) return refuse(row);
    const numbers = hasComma ? withPoints(row) : row;
    const tick = toTick(symbol, numbers);
    if ('reason' in tick) return refuse(tick);
    const fault = checkTick(tick, { now, allowsNegative });
    if (fault !== null) return refuse(fault);
    return {
      line: number,
      tick: tick.seq === null ? { ...tick, copy: nextCopy(tick) } : tick,
      decimals: Math.max(
        decimalsOf(numbers.bid),
        decimalsOf(numbers.ask),
        decimalsOf(numbers.last),
      ),
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
 *
 * As long as times only grow there is nothing to look up, and what is told is only noted: a name for each tick took
 * longer than to read it.
 */
export function createCopies(): (tick: Tick) => number {
  const times: string[] = [];
  const numbers = new Float64Array(4 * KEPT_COPIES);
  let noted = 0;
  let newest = '';
  let count: ReturnType<typeof createCounts> | null = null;

  function note({ observedAt, bid, ask, last, size }: Tick): void {
    const place = noted % KEPT_COPIES;
    times[place] = observedAt;
    numbers[4 * place] = bid ?? Number.NaN;
    numbers[4 * place + 1] = ask ?? Number.NaN;
    numbers[4 * place + 2] = last ?? Number.NaN;
    numbers[4 * place + 3] = size ?? Number.NaN;
    noted += 1;
  }
  function countNoted() {
    const counts = createCounts();
    for (let index = Math.max(0, noted - KEPT_COPIES); index < noted; index++) {
      const place = index % KEPT_COPIES;
      counts(times[place] ?? '', numbers.subarray(4 * place, 4 * place + 4));
    }
    return counts;
  }

  return tick => {
    if (count === null && tick.observedAt > newest) {
      newest = tick.observedAt;
      note(tick);
      return 1;
    }
    count ??= countNoted();
    const { bid, ask, last, size } = tick;
    return count(
      tick.observedAt,
      [bid, ask, last, size].map(number => number ?? Number.NaN),
    );
  };
}

function createCounts() {
  let newer = new Map<string, number>();
  let older = new Map<string, number>();
  return (observedAt: string, numbers: ArrayLike<number>): number => {
    const key = `${observedAt} ${numbers[0]} ${numbers[1]} ${numbers[2]} ${numbers[3]}`;
    const copy = (newer.get(key) ?? older.get(key) ?? 0) + 1;
    newer.set(key, copy);
    if (newer.size >= KEPT_COPIES) {
      older = newer;
      newer = new Map();
    }
    return copy;
  };
}

/** A comma is the mark where it cannot be another one; a number with both is none. */
function withPoints(row: Row): Row {
  const point = (text: string) => (text.includes('.') ? text : text.replace(',', '.'));
  const { bid, ask, last, size } = row;
  return { ...row, bid: point(bid), ask: point(ask), last: point(last), size: point(size) };
}

/** Digits after the mark, as the file has them: of 1.10000 five, of 1e-8 eight. */
function decimalsOf(text: string): number {
  const mark = text.search(/e/i);
  const end = mark < 0 ? text.length : mark;
  const point = text.indexOf('.');
  const digits = point < 0 ? 0 : end - point - 1;
  return mark < 0 ? digits : Math.max(0, digits - Number(text.slice(mark + 1)));
}

const NUMBERS = ['bid', 'ask', 'last', 'size', 'seq'] as const;

function toTick(symbol: string, row: Row): Tick | Fault {
  if (row.observedAt === null) {
    return {
      reason: 'time_malformed',
      detail: `time ${quote(row.timeText)} ${row.timeFault ?? 'is not a time of this layout, or does not exist'}`,
    };
  }
  for (const name of NUMBERS) {
    const text = row[name];
    if (text !== '' && toNumber(text) === null) {
      const hint = /^\d+,\d+$/.test(text) ? '; a decimal comma needs --decimal ,' : '';
      return {
        reason: 'number_malformed',
        detail: `${name} ${quote(text)} is not a number${hint}`,
      };
    }
  }
  return {
    symbol,
    observedAt: row.observedAt,
    seq: row.seq === '' ? null : /^\d+$/.test(row.seq) ? toSeq(row.seq) : Number(row.seq),
    bid: row.bid === '' ? null : Number(row.bid),
    ask: row.ask === '' ? null : Number(row.ask),
    last: row.last === '' ? null : Number(row.last),
    size: row.size === '' ? null : Number(row.size),
  };
}
