import fc from 'fast-check';
import { parseColumns, TICK_FILE_LAYOUTS } from '../../workers/ingest/files/csv.ts';
import type { FileLayout } from '../../workers/ingest/files/source.ts';
import type { Reason } from '../../workers/ingest/rejection.ts';
import { priceTexts } from './hostile_prices.ts';

/** A tick as it is written in a file. */
export interface WrittenTick {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly bid: string;
  readonly ask: string;
  readonly last: string;
  readonly size: string;
  readonly seq: string;
}
type Part = Exclude<keyof WrittenTick, 'time'>;

/** How a kind of file is written, known without the reader that is tested. */
export interface Writing {
  readonly name: string;
  readonly reading: FileLayout;
  readonly header: string | null;
  readonly delimiter: string;
  /** Before the fraction of a number. */
  readonly mark: string;
  /** A part of the tick, its time, whose it is, or a text that is the same in each line. */
  readonly columns: readonly string[];
  /** Wall clock such as 2026-03-02T10:00:00.000, or null where times are numbers. */
  readonly writeTime: ((local: string) => string) | null;
  /** Of a time as a number: the digits below the second. */
  readonly digits: number;
  readonly hoursFromUtc: number;
  /** The zone is a name: it has no offset two thousand years ago. */
  readonly hasNamedZone: boolean;
  /** One empty column more is none. */
  readonly mayEndWithDelimiter: boolean;
}

const WRITING = {
  reading: {},
  header: null,
  delimiter: ',',
  mark: '.',
  writeTime: null,
  digits: 0,
  hoursFromUtc: 0,
  hasNamedZone: false,
  mayEndWithDelimiter: true,
} satisfies Partial<Writing>;

const compact = (local: string) => local.replaceAll('-', '').replace('T', ' ');
const dayFirst = (local: string, mark: string) => {
  const [date = '', clock] = local.split('T');
  return `${date.split('-').reverse().join(mark)} ${clock}`;
};
const monthFirst = (local: string) => {
  const [date = '', clock] = local.split('T');
  const [year, month, day] = date.split('-');
  return `${month}/${day}/${year} ${clock}`;
};
const headerOf = (name: string) =>
  TICK_FILE_LAYOUTS.find(layout => layout.name === name)?.example ?? '';
const headed = (name: string, rest: Omit<Partial<Writing>, 'columns'>, columns: string) => ({
  ...WRITING,
  name,
  header: headerOf(name),
  ...rest,
  columns: columns.split(' '),
});

/** A kind of file for each layout that is known, and some that --columns reads. */
export const WRITINGS: readonly Writing[] = [
  {
    ...WRITING,
    name: 'header',
    header: 'observed_at,bid,ask,size',
    columns: ['time', 'bid', 'ask', 'size'],
    writeTime: local => `${local}Z`,
  },
  {
    ...WRITING,
    name: 'truefx',
    columns: ['pair', 'time', 'bid', 'ask'],
    writeTime: compact,
    mayEndWithDelimiter: false,
  },
  {
    ...WRITING,
    name: 'histdata',
    columns: ['time', 'bid', 'ask', '0'],
    writeTime: local => compact(local).replaceAll(/[:.]/g, ''),
    hoursFromUtc: -5,
    mayEndWithDelimiter: false,
  },
  headed('dukascopy-node', { digits: 3 }, 'time ask bid 1 2'),
  headed(
    'dukascopy-jforex',
    {
      writeTime: local => local.replaceAll('-', '.').replace('T', ' '),
      hoursFromUtc: 2,
      hasNamedZone: true,
    },
    'time ask bid 1 2',
  ),
  headed(
    'dukascopy-web',
    { writeTime: local => `${dayFirst(local, '.')} GMT+0100`, hoursFromUtc: 1 },
    'time ask bid 1 2',
  ),
  headed('fxcm', { writeTime: monthFirst }, 'time bid ask'),
  headed('polygon-trades', { digits: 9 }, 'symbol x 0 4 x 1 last seq time size 1 0 0'),
  headed('polygon-quotes', { digits: 9 }, 'symbol 1 ask 1 1 bid 1 x x 1 seq time 1 0'),
  headed('binance-futures-trades', { digits: 3 }, 'seq last size 1 time true'),
  headed('binance-futures-aggtrades', { digits: 3 }, 'seq last size 1 1 time true'),
  {
    ...WRITING,
    name: 'binance-trades',
    columns: ['seq', 'last', 'size', '1', 'time', 'True', 'True'],
    digits: 6,
  },
  {
    ...WRITING,
    name: 'binance-aggtrades',
    columns: ['seq', 'last', 'size', '1', '1', 'time', 'True', 'True'],
    digits: 3,
  },
  { ...WRITING, name: 'kraken', columns: ['time', 'last', 'size'] },
  {
    ...WRITING,
    name: 'columns by number',
    reading: { columns: parseColumns('time=2:us,last=3,size=1') },
    columns: ['size', 'time', 'last'],
    digits: 6,
  },
  {
    ...WRITING,
    name: 'columns by name, with decimal commas',
    reading: {
      columns: parseColumns('time=Zeit,bid=Geld,ask=Brief'),
      delimiter: ';',
      zone: 'Europe/Berlin',
    },
    header: 'Nr;Zeit;Geld;Brief',
    delimiter: ';',
    mark: ',',
    columns: ['7', 'time', 'bid', 'ask'],
    writeTime: local => dayFirst(local, '.'),
    hoursFromUtc: 1,
    hasNamedZone: true,
  },
  {
    ...WRITING,
    name: 'columns by name, between tabs',
    reading: {
      columns: parseColumns('time=when:mdy,last=price,seq=id,symbol=of'),
      decimal: '.',
      zone: '-05:00',
    },
    header: 'when\tprice\tid\tof',
    delimiter: '\t',
    columns: ['time', 'last', 'seq', 'symbol'],
    writeTime: monthFirst,
    hoursFromUtc: -5,
  },
];

/** What must become of a line: it is refused for this reason, or means nothing, or is this tick. */
export type Fate = Reason | 'nothing' | 'stored' | 'duplicate';

export interface HostileLine {
  /** Null: a file of this kind has no such line. */
  readonly fate: (writing: Writing) => Fate | null;
  readonly write: (line: LineOf) => string | Uint8Array;
}

export interface LineOf {
  readonly writing: Writing;
  readonly symbol: string;
  /** Good, and not written before. */
  readonly tick: WrittenTick;
}

export function fieldsOf({ writing, symbol, tick }: LineOf): string[] {
  return writing.columns.map(column => {
    if (column === 'time') return timeOf(writing, tick.time);
    if (column === 'symbol') return symbol;
    if (column === 'pair') return symbol.replace('_', '/');
    if (!isPart(column)) return column;
    return tick[column].replace('.', writing.mark);
  });
}

export const lineOf = (line: LineOf): string => fieldsOf(line).join(line.writing.delimiter);
export const has = (writing: Writing, column: string): boolean => writing.columns.includes(column);

const PARTS: readonly string[] = ['bid', 'ask', 'last', 'size', 'seq'] satisfies Part[];
const isPart = (column: string): column is Part => PARTS.includes(column);

function timeOf({ writeTime, digits, hoursFromUtc }: Writing, time: number): string {
  if (writeTime !== null) {
    return writeTime(new Date(time + hoursFromUtc * 3_600_000).toISOString().slice(0, 23));
  }
  const text = String(time);
  return digits === 0 ? `${text.slice(0, -3)}.${text.slice(-3)}` : text.padEnd(10 + digits, '0');
}

type Write = HostileLine['write'];
type Fates = Fate | HostileLine['fate'];

const hostile = (fate: Fates, writers: fc.Arbitrary<Write>): fc.Arbitrary<HostileLine> =>
  writers.map(write => ({ fate: typeof fate === 'string' ? () => fate : fate, write }));

/** A good line with one of its fields changed. */
const withField = (column: string, texts: fc.Arbitrary<string | ((writing: Writing) => string)>) =>
  texts.map(
    (text): Write =>
      line => {
        const { writing } = line;
        const fields = fieldsOf(line);
        fields[writing.columns.indexOf(column)] = typeof text === 'string' ? text : text(writing);
        return fields.join(writing.delimiter);
      },
  );
const priceOf = (writing: Writing) => (has(writing, 'bid') ? 'bid' : 'last');
function lineWithPrice(line: LineOf, text: string): string {
  const fields = fieldsOf(line);
  fields[line.writing.columns.indexOf(priceOf(line.writing))] = text;
  return fields.join(line.writing.delimiter);
}
const withPrice = (texts: fc.Arbitrary<string>) =>
  texts.map(
    (text): Write =>
      line =>
        lineWithPrice(line, text),
  );
const where =
  (column: string, fate: Fate): HostileLine['fate'] =>
  writing =>
    has(writing, column) ? fate : null;
const withText = (locals: fc.Arbitrary<string>) =>
  withField(
    'time',
    locals.map(local => writing => writing.writeTime?.(local) ?? ''),
  );
const whereText =
  (fate: Fate): HostileLine['fate'] =>
  ({ writeTime }) =>
    writeTime === null ? null : fate;
const withSeconds = (seconds: fc.Arbitrary<string>) =>
  withField(
    'time',
    seconds.map(
      text =>
        ({ digits }) =>
          text + '0'.repeat(digits),
    ),
  );
const whereNumber =
  (fate: Fate): HostileLine['fate'] =>
  ({ writeTime }) =>
    writeTime === null ? fate : null;

/** The first field has something before it. */
const ofFirst: HostileLine['fate'] = ({ columns: [first = ''] }) => {
  if (first === 'time') return 'time_malformed';
  if (first === 'symbol' || first === 'pair') return 'wrong_symbol';
  return isPart(first) ? 'number_malformed' : null;
};

/** Between two digits of a price, in bytes. */
function spliced(line: LineOf, bytes: Uint8Array): Uint8Array {
  const mark = '\u{1f4a5}';
  const [before = '', after = ''] = lineWithPrice(line, `1${mark}2`).split(mark);
  return Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]);
}

const invalidUtf8 = fc.uint8Array({ min: 0x80, max: 0xff, minLength: 1, maxLength: 40 });
const words = fc.string({ unit: 'binary', maxLength: 60 });

/** Lines that should not be in a file, each with what must become of it. */
export const hostileLines: fc.Arbitrary<HostileLine> = fc.oneof(
  // Nothing to be refused.
  hostile(
    'nothing',
    fc.constantFrom('', ' ', '\r', '\t \r', '\uFEFF').map(text => () => text),
  ),
  // No line of this kind.
  hostile(
    'wrong_columns',
    words.map(
      (text): Write =>
        ({ writing }) =>
          `#${text.replaceAll(/["\n]/g, ' ').replaceAll(writing.delimiter, ' ')}`,
    ),
  ),
  hostile(
    'wrong_columns',
    fc.constant(line => fieldsOf(line).slice(0, -1).join(line.writing.delimiter)),
  ),
  hostile(
    'wrong_columns',
    fc.constantFrom(['x'], ['', ''], ['1', '2', '3'], Array<string>(4_000).fill('')).map(
      (more): Write =>
        line =>
          [...fieldsOf(line), ...more].join(line.writing.delimiter),
    ),
  ),
  hostile(
    ({ mayEndWithDelimiter }) => (mayEndWithDelimiter ? 'stored' : 'wrong_columns'),
    fc.constant(line => lineOf(line) + line.writing.delimiter),
  ),
  hostile(
    'wrong_columns',
    fc.constant(line => `${lineOf(line)}\r${lineOf(line)}`),
  ),
  hostile(
    ofFirst,
    fc.constantFrom('\u0000', '\u001b[2J', '\u202e').map(text => line => text + lineOf(line)),
  ),
  hostile(
    writing =>
      writing.header === null ? null : has(writing, 'symbol') ? 'wrong_symbol' : 'time_malformed',
    fc.constantFrom('', '\uFEFF').map(
      (mark): Write =>
        ({ writing }) =>
          mark + (writing.header ?? ''),
    ),
  ),
  // Quotes that are not closed, or closed in another line.
  hostile(
    'malformed',
    fc.constantFrom<Write>(
      line => `"${lineOf(line)}`,
      line => `${lineOf(line)}"`,
      line => lineWithPrice(line, '"1'),
      line => lineWithPrice(line, '1"x'),
      line => lineWithPrice(line, '"1"2'),
      line => lineOf(line).replaceAll(line.writing.delimiter, '"'),
      () => '"',
      () => '"""',
      () => `${'"'.repeat(5_000)}x`,
    ),
  ),
  // Longer than any line of a file.
  hostile(
    'line_too_long',
    fc
      .oneof(
        { weight: 9, arbitrary: fc.integer({ min: 10_001, max: 80_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 1_000_000, max: 3_000_000 }) },
      )
      .chain(length =>
        fc.constantFrom<Write>(
          () => 'x'.repeat(length),
          () => ' '.repeat(length),
          () => '"'.repeat(length),
          line => line.writing.delimiter.repeat(length),
          line => lineOf(line) + ' '.repeat(length),
        ),
      ),
  ),
  // No number, and none that is a price.
  hostile(
    'number_malformed',
    withPrice(
      fc.constantFrom(
        ...['0x1p3', 'NaN', 'Infinity', '-Infinity', 'null', '١٢', '1_0', '1e', '1.2.3', '１'],
        ...['--1', '1 2', '+', 'e5', '=1+1', '1\u00a02', '\u202e1', 'x'.repeat(5_000)],
      ),
    ),
  ),
  hostile(
    'number_malformed',
    fc
      .integer({ min: 0x00, max: 0x1f })
      .filter(code => code !== 0x09 && code !== 0x0a)
      .map(code => line => spliced(line, Uint8Array.of(code))),
  ),
  hostile(
    'number_malformed',
    invalidUtf8.map(bytes => line => spliced(line, bytes)),
  ),
  hostile(
    'price_not_finite',
    withPrice(fc.constantFrom('1e309', '1e999', '-1e999', '9'.repeat(400), '9'.repeat(5_000))),
  ),
  hostile(
    'price_not_positive',
    withPrice(fc.constantFrom('0', '-0', '-1.5', '1e-400', '-1e300', `0.${'0'.repeat(5_000)}1`)),
  ),
  hostile(
    'price_too_large',
    withPrice(fc.constantFrom('1e15', '9007199254740993', '18446744073709551617', '1e308')),
  ),
  hostile(
    'no_price',
    fc.constant(line =>
      fieldsOf(line)
        .map((field, place) =>
          ['bid', 'ask', 'last'].includes(line.writing.columns[place] ?? '') ? '' : field,
        )
        .join(line.writing.delimiter),
    ),
  ),
  // No size, no id, and somebody else's.
  hostile(where('size', 'size_negative'), withField('size', fc.constantFrom('-5', '-1e300'))),
  hostile(where('size', 'size_not_finite'), withField('size', fc.constantFrom('1e999', '-1e309'))),
  hostile(where('size', 'size_too_large'), withField('size', fc.constantFrom('1e18', '1e308'))),
  hostile(where('size', 'number_malformed'), withField('size', fc.constantFrom('NaN', 'x', '1k'))),
  hostile(
    where('seq', 'seq_out_of_range'),
    withField(
      'seq',
      fc.constantFrom('-1', '1.5', '1e999', '9223372036854775808', '9'.repeat(5_000)),
    ),
  ),
  hostile(where('seq', 'number_malformed'), withField('seq', fc.constantFrom('x', '0x1', 'NaN'))),
  ...['symbol', 'pair'].map(column =>
    hostile(
      where(column, 'wrong_symbol'),
      withField(
        column,
        fc.constantFrom(
          ...['', '__proto__', 'GBP/USD', '\u202eDSU', 'EUR/USD\u0007', '\u001b]0;x\u0007'],
          'X'.repeat(5_000),
        ),
      ),
    ),
  ),
  // No time.
  hostile(
    'time_malformed',
    withField(
      'time',
      fc.constantFrom('', 'now', 'infinity', '-1', '-62135596800', '1e999', 'NaN', '9'.repeat(400)),
    ),
  ),
  hostile(
    whereText('time_malformed'),
    withText(
      fc.constantFrom(
        ...['2026-02-31T10:00:00.000', '2026-02-29T10:00:00.000', '2026-13-01T10:00:00.000'],
        ...['2026-00-10T10:00:00.000', '2026-03-00T10:00:00.000', '2026-03-02T24:00:00.000'],
        ...['2026-03-02T10:60:00.000', '2026-03-02T10:00:60.000', '10000-01-01T00:00:00.000'],
      ),
    ),
  ),
  hostile(
    ({ writeTime, hasNamedZone }) =>
      writeTime === null ? null : hasNamedZone ? 'time_malformed' : 'time_before_1970',
    withText(fc.constantFrom('0000-06-01T00:00:00.000', '0001-06-01T00:00:00.000')),
  ),
  hostile(
    whereText('time_before_1970'),
    withText(fc.constantFrom('1969-12-31T00:00:00.000', '1000-02-28T12:00:00.000')),
  ),
  hostile(
    whereText('time_in_future'),
    withText(fc.constantFrom('9999-12-31T00:00:00.000', '2200-01-01T00:00:00.000')),
  ),
  hostile(
    whereNumber('time_malformed'),
    withSeconds(fc.constantFrom('253402300800', '9'.repeat(30))),
  ),
  hostile(
    whereNumber('time_in_future'),
    withSeconds(fc.constantFrom('253402300799', '7258118400')),
  ),
  // A good line all the same.
  hostile(
    'stored',
    fc.constantFrom<Write>(
      line => `${lineOf(line)}\r`,
      line => ` ${lineOf(line)}  `,
      // As where files are joined.
      line => `\uFEFF${lineOf(line)}\u00a0`,
      line => lineOf(line).padEnd(9_990),
      line =>
        fieldsOf(line)
          .map(field => ` "${field}" `)
          .join(line.writing.delimiter),
    ),
  ),
);

/** A tick as it has to be stored: microseconds since 1970, bid, ask, last, size, id. */
export type StoredTick = string;

export interface WrittenFile {
  readonly bytes: Buffer;
  /** What must become of each line that has something in it, but the header. */
  readonly fates: readonly { readonly line: number; readonly fate: Fate | 'conflict' }[];
  /** In the order of their lines. */
  readonly stored: readonly { readonly line: number; readonly tick: StoredTick }[];
}

/** What is among the good lines of a file: a hostile one, or the last good one again, or with another price. */
export type Among = 'good' | 'again' | 'other price' | HostileLine;

/** Nearly a third of the lines is not what it should be. */
const among: fc.Arbitrary<Among> = fc.oneof(
  { weight: 65, arbitrary: fc.constant<Among>('good') },
  { weight: 5, arbitrary: fc.constantFrom<Among>('again', 'other price') },
  { weight: 30, arbitrary: hostileLines },
);
/** What is written into a file besides its good lines. */
export const hostileContents = fc.record({
  lead: fc.constantFrom([], ['exported today', '?'], ['\u001b[2J']),
  among: fc.array(among, { minLength: 150, maxLength: 400 }),
  prices: fc.array(priceTexts, { minLength: 5, maxLength: 20 }),
  ends: fc.array(fc.constantFrom('\n', '\n', '\r\n', '\r\r\n'), { minLength: 1, maxLength: 5 }),
});

/** Lines before a file can be known by its first 1,024 bytes: a zero among them makes it binary. */
const GOOD_LINES_FIRST = 50;

/** @param prices Texts of good prices. @param ends The ends of lines, again and again. */
export function writeHostileFile(
  writing: Writing,
  symbol: string,
  {
    lead,
    among,
    prices,
    ends,
  }: {
    readonly lead: readonly string[];
    readonly among: readonly Among[];
    readonly prices: readonly string[];
    readonly ends: readonly string[];
  },
): WrittenFile {
  const parts: Buffer[] = [];
  const fates: { line: number; fate: Fate | 'conflict' }[] = [];
  const stored: { line: number; tick: StoredTick }[] = [];
  const hasIds = has(writing, 'seq');
  let line = 0;
  let second = 0;
  const write = (text: string | Uint8Array, fate: Fate | 'conflict', tick?: WrittenTick) => {
    line += 1;
    parts.push(Buffer.from(text), Buffer.from(ends[line % ends.length] ?? '\n'));
    if (fate !== 'nothing') fates.push({ line, fate });
    if (fate === 'stored' && tick !== undefined) {
      stored.push({ line, tick: storedTick(writing, tick) });
    }
  };
  const next = (bid: string): WrittenTick => {
    second += 1;
    return {
      time: Date.UTC(2026, 2, 2, 10) + second * 1_000 + 123,
      ...{ bid, ask: '99.5', last: bid, size: '0.25' },
      seq: String(9_007_199_254_740_993n + BigInt(second)),
    };
  };

  for (const text of lead) write(text, 'wrong_columns');
  if (writing.header !== null) write(writing.header, 'nothing');
  let tick = next('1.25');
  const good = (bid: string): void => {
    tick = next(bid);
    write(lineOf({ writing, symbol, tick }), 'stored', tick);
  };
  for (let n = 0; n < GOOD_LINES_FIRST; n++) good('1.5');
  for (const [n, each] of among.entries()) {
    const price = prices[n % prices.length] ?? '1';
    if (each === 'good') good(price);
    else if (each === 'again') {
      write(lineOf({ writing, symbol, tick }), hasIds ? 'duplicate' : 'stored', tick);
    } else if (each === 'other price') {
      const other = { ...tick, bid: '77.25', last: '77.25' };
      write(lineOf({ writing, symbol, tick: other }), hasIds ? 'conflict' : 'stored', other);
    } else {
      const own = next(price);
      const fate = each.fate(writing);
      if (fate !== null) write(each.write({ writing, symbol, tick: own }), fate, own);
      if (fate === 'stored') tick = own;
    }
  }
  good('2');
  // The last line of many files has no end.
  parts.pop();
  return { bytes: Buffer.concat(parts), fates, stored };
}

function storedTick(writing: Writing, tick: WrittenTick): StoredTick {
  const number = (part: Part) => (has(writing, part) ? String(Number(tick[part])) : 'null');
  const seq = has(writing, 'seq') ? tick.seq : 'null';
  return [tick.time * 1_000, ...(['bid', 'ask', 'last', 'size'] as const).map(number), seq].join(
    ' ',
  );
}

/** What is stored of a symbol, in the words of {@link StoredTick}. */
export async function storedTicks(
  query: (text: string, values: string[]) => Promise<object[]>,
  symbol: string,
): Promise<StoredTick[]> {
  const rows = await query(
    `select (extract(epoch from observed_at) * 1000000)::bigint::text as time, bid, ask, last, size,
       case when seq < 0 then 'null' else seq::text end as seq
     from feed.ticks where instrument_id = feed.instrument_id($1)`,
    [symbol],
  );
  return (rows as Record<string, unknown>[]).map(({ time, bid, ask, last, size, seq }) =>
    [time, bid, ask, last, size, seq].map(String).join(' '),
  );
}
