import type { Fault } from '../rejection.ts';
import { quote } from '../text.ts';
import { toMicroseconds } from '../time.ts';

/** One line's fields by meaning, still text; empty where the line has none. */
export interface Row {
  /** Canonical time, or null when the line's time cannot be read. */
  readonly observedAt: string | null;
  readonly timeText: string;
  readonly bid: string;
  readonly ask: string;
  readonly last: string;
  readonly size: string;
  readonly seq: string;
}

export interface Layout {
  readonly name: 'header' | 'truefx' | 'histdata';
  /** For help texts. */
  readonly description: string;
  readonly example: string;
}

export interface RowReader {
  readonly layout: Layout;
  /** The recognised line is a header and has no tick. */
  readonly isHeader: boolean;
  readonly read: (fields: readonly string[], symbol: string) => Row | Fault;
}

const HEADER: Layout = {
  name: 'header',
  description:
    'a header names the columns, in any order: observed_at (with its zone, such as Z), bid, ask, last, size, seq',
  example: 'observed_at,bid,ask,size',
};
const TRUEFX: Layout = {
  name: 'truefx',
  description: 'TrueFX ticks, no header: pair, time in UTC, bid, ask',
  example: 'EUR/USD,20200101 22:00:00.123,1.12120,1.12172',
};
const HISTDATA: Layout = {
  name: 'histdata',
  description:
    'HistData ticks, no header: time in US Eastern Standard Time (UTC-5 all year), bid, ask, a volume that is always 0',
  example: '20200101 170000065,1.121200,1.121720,0',
};

/** The layouts that are recognised by themselves. */
export const TICK_FILE_LAYOUTS: readonly Layout[] = [HEADER, TRUEFX, HISTDATA];

const COLUMNS = ['observed_at', 'bid', 'ask', 'last', 'size', 'seq'];
const PAIR = /^[A-Z0-9]{2,10}\/[A-Z0-9]{2,10}$/;
const TRUEFX_TIME = /^(\d{4})(\d\d)(\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)$/;
const HISTDATA_TIME = /^(\d{4})(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(\d{3})$/;

/** A header that cannot be used. The message says why. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError';
}

/**
 * @returns the reader of a file that has this line among its first ones, or null.
 * @throws {HeaderError} for a header with unknown, repeated or missing columns.
 */
export function recognise(fields: readonly string[]): RowReader | null {
  const names = fields.map(field => field.toLowerCase());
  if (names.includes('observed_at')) return headerReader(names);
  if (fields.length === 4 && PAIR.test(fields[0] ?? '') && TRUEFX_TIME.test(fields[1] ?? '')) {
    return { layout: TRUEFX, isHeader: false, read: readTrueFx };
  }
  if (HISTDATA_TIME.test(fields[0] ?? '')) {
    return { layout: HISTDATA, isHeader: false, read: readHistData };
  }
  return null;
}

function headerReader(names: readonly string[]): RowReader {
  const unknown = names.find(name => !COLUMNS.includes(name));
  if (unknown !== undefined) {
    throw new HeaderError(`unknown column ${quote(unknown)}; known are ${COLUMNS.join(', ')}`);
  }
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new HeaderError(`column ${quote(repeated)} appears twice`);
  if (!names.some(name => name === 'bid' || name === 'ask' || name === 'last')) {
    throw new HeaderError('none of the columns bid, ask and last');
  }
  const [time, bid, ask, last, size, seq] = COLUMNS.map(name => names.indexOf(name));
  return {
    layout: HEADER,
    isHeader: true,
    read: fields => {
      if (fields.length !== names.length) return wrongColumns(fields, names.length);
      const field = (index: number | undefined) => fields[index ?? -1] ?? '';
      return {
        observedAt: toMicroseconds(field(time)),
        timeText: field(time),
        bid: field(bid),
        ask: field(ask),
        last: field(last),
        size: field(size),
        seq: field(seq),
      };
    },
  };
}

function readTrueFx(fields: readonly string[], symbol: string): Row | Fault {
  if (fields.length !== 4) return wrongColumns(fields, 4);
  const [pair = '', timeText = '', bid = '', ask = ''] = fields;
  if (pair.replace('/', '_') !== symbol) {
    return { reason: 'wrong_symbol', detail: `the line is of ${quote(pair)}, not of ${symbol}` };
  }
  const time = TRUEFX_TIME.exec(timeText);
  const observedAt = time && toMicroseconds(`${time[1]}-${time[2]}-${time[3]}T${time[4]}Z`);
  return { observedAt, timeText, bid, ask, last: '', size: '', seq: '' };
}

function readHistData(fields: readonly string[]): Row | Fault {
  if (fields.length !== 4) return wrongColumns(fields, 4);
  const [timeText = '', bid = '', ask = ''] = fields;
  return { observedAt: histDataTime(timeText), timeText, bid, ask, last: '', size: '', seq: '' };
}

function histDataTime(text: string): string | null {
  const time = HISTDATA_TIME.exec(text);
  if (time === null) return null;
  const [, year, month, day, hour, minute, second, milliseconds] = time;
  return toMicroseconds(
    `${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}-05:00`,
  );
}

function wrongColumns(fields: readonly string[], expected: number): Fault {
  return {
    reason: 'wrong_columns',
    detail: `the line has ${fields.length} columns, not ${expected}`,
  };
}
