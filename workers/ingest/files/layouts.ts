import type { Fault } from '../rejection.ts';
import { quote } from '../text.ts';
import { toMicroseconds } from '../time.ts';
import { createTimeReader, TIME_UNITS, type TimeReader, type TimeUnit } from './times.ts';

/** One line's fields by meaning, still text; empty where the line has none. */
export interface Row {
  /** Canonical time, or null when the line's time cannot be read. */
  readonly observedAt: string | null;
  readonly timeText: string;
  /** What is wrong with the time, as the end of a sentence. */
  readonly timeFault?: string | undefined;
  readonly bid: string;
  readonly ask: string;
  readonly last: string;
  readonly size: string;
  readonly seq: string;
}

export interface Layout {
  readonly name: string;
  /** For help texts. */
  readonly description: string;
  /** A header, or a line of a layout that has none. */
  readonly example: string;
  /** The reader of a file that has this line among its first ones, or null. */
  readonly recognise: (fields: readonly string[], options: ReadingOptions) => RowReader | null;
}

export interface RowReader {
  /** The recognised line is a header and has no tick. */
  readonly isHeader: boolean;
  readonly read: (fields: readonly string[], symbol: string) => Row | Fault;
}

export interface ReadingOptions {
  /** Which column means what, instead of what a layout says. */
  readonly columns?: Columns;
  /** Of times that say none. */
  readonly zone?: string;
}

export const ROLES = ['time', 'bid', 'ask', 'last', 'size', 'seq', 'symbol'] as const;
export type Role = (typeof ROLES)[number];
/** A column by its name in the header, or by its number from 1 on in a file without one. */
export type Columns = ReadonlyMap<
  Role,
  { readonly column: string; readonly unit: TimeUnit | undefined }
>;

/** A header or file that cannot be used. The message says why. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError';
}

const OWN_COLUMNS = ['observed_at', 'bid', 'ask', 'last', 'size', 'seq'];
const PAIR = /^[A-Z0-9]{2,10}\/?[A-Z0-9]{2,10}$/;
const TRUEFX_TIME = /^(\d{4})(\d\d)(\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)$/;
const HISTDATA_TIME = /^(\d{4})(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(\d{3})$/;
const HISTDATA_MINUTE = /^\d{8} \d{6}$/;
const WHOLE = /^\d+$/;
const DECIMAL = /^\d+(?:\.\d+)?$/;

/** The layouts that are recognised by themselves. */
export const TICK_FILE_LAYOUTS: readonly Layout[] = [
  {
    name: 'header',
    description:
      'a header names the columns, in any order: observed_at (with its zone, such as Z), bid, ask, last, size, seq; others are left out',
    example: 'observed_at,bid,ask,size',
    recognise: (fields, options) => {
      const names = fields.map(field => field.toLowerCase());
      if (!names.includes('observed_at')) return null;
      refuseRepeated(names);
      if (names.includes('price') && !names.includes('last')) {
        throw new HeaderError(
          `unknown column "price": say --columns 'time=observed_at,last=price' if it is a trade's`,
        );
      }
      if (!names.some(name => ['bid', 'ask', 'last'].includes(name))) {
        throw new HeaderError('none of the columns bid, ask and last');
      }
      const at = (name: string) => names.indexOf(name);
      const [time = -1, bid, ask, last, size, seq] = OWN_COLUMNS.map(at);
      const readTime = createTimeReader('text', options.zone);
      return { isHeader: true, read: reader(names, { time, bid, ask, last, size, seq }, readTime) };
    },
  },
  {
    name: 'truefx',
    description: 'TrueFX ticks, no header: pair, time in UTC, bid, ask',
    example: 'EUR/USD,20200101 22:00:00.123,1.12120,1.12172',
    recognise: fields => {
      if (fields.length !== 4 || !PAIR.test(fields[0] ?? '')) return null;
      if (!TRUEFX_TIME.test(fields[1] ?? '')) return null;
      return { isHeader: false, read: readTrueFx };
    },
  },
  {
    name: 'histdata',
    description:
      'HistData ticks, no header: time in US Eastern Standard Time (UTC-5 all year), bid, ask, a volume that is always 0',
    example: '20200101 170000065,1.121200,1.121720,0',
    recognise: fields =>
      HISTDATA_TIME.test(fields[0] ?? '') ? { isHeader: false, read: readHistData } : null,
  },
  headed(
    'dukascopy-node',
    'ticks of the dukascopy-node tool: milliseconds since 1970, ask, bid',
    'timestamp,askPrice,bidPrice,askVolume,bidVolume',
    { time: 'timestamp', ask: 'askprice', bid: 'bidprice' },
    () => createTimeReader('ms', undefined),
  ),
  headed(
    'dukascopy-jforex',
    'ticks as JForex exports them: the header names the zone of the time',
    'Time (EET),Ask,Bid,AskVolume,BidVolume',
    { time: /^time \(([a-z/_]+)\)$/, ask: 'ask', bid: 'bid' },
    (zone, options) => createTimeReader('text', options.zone ?? zone?.toUpperCase()),
  ),
  headed(
    'dukascopy-web',
    "ticks from Dukascopy's web site, in local time with its offset or in GMT",
    'Local time,Ask,Bid,AskVolume,BidVolume',
    { time: /^(local|gmt|utc|eet) time$/, ask: 'ask', bid: 'bid' },
    (clock, options) =>
      createTimeReader(
        'text',
        options.zone ?? (clock === 'local' ? undefined : clock?.toUpperCase()),
      ),
  ),
  headed(
    'fxcm',
    'FXCM ticks: month/day/year and time in UTC',
    'DateTime,Bid,Ask',
    { time: 'datetime', bid: 'bid', ask: 'ask' },
    (_, options) => createTimeReader('mdy', options.zone ?? 'UTC'),
  ),
  headed(
    'polygon-trades',
    "Polygon's (Massive's) flat files of trades: nanoseconds since 1970; seq is sequence_number",
    'ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,trf_timestamp',
    {
      time: 'sip_timestamp',
      last: 'price',
      size: 'size',
      seq: 'sequence_number',
      symbol: 'ticker',
    },
    () => createTimeReader('ns', undefined),
  ),
  headed(
    'polygon-quotes',
    "Polygon's (Massive's) flat files of quotes",
    'ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,indicators,participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp',
    {
      time: 'sip_timestamp',
      bid: 'bid_price',
      ask: 'ask_price',
      seq: 'sequence_number',
      symbol: 'ticker',
    },
    () => createTimeReader('ns', undefined),
  ),
  headed(
    'binance-futures-trades',
    "Binance's public futures trades, with a header",
    'id,price,qty,quote_qty,time,is_buyer_maker',
    { time: 'time', last: 'price', size: 'qty', seq: 'id' },
    () => readBinanceTime,
  ),
  headed(
    'binance-futures-aggtrades',
    "Binance's public aggregated futures trades, with a header",
    'agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker',
    { time: 'transact_time', last: 'price', size: 'quantity', seq: 'agg_trade_id' },
    () => readBinanceTime,
  ),
  {
    name: 'binance-trades',
    description:
      "Binance's public spot trades, no header: id, price, size, value, time (milliseconds, from 2025 on microseconds), maker, match",
    example: '1,4.0,0.1,0.4,1735689600000123,True,True',
    recognise: fields =>
      fields.length === 7 && isBinance(fields, 4)
        ? {
            isHeader: false,
            read: reader(fields, { seq: 0, last: 1, size: 2, time: 4 }, readBinanceTime),
          }
        : null,
  },
  {
    name: 'binance-aggtrades',
    description:
      "Binance's public aggregated spot trades, no header: id, price, size, first and last trade, time, maker, match",
    example: '1,4.0,0.1,7,9,1735689600000123,True,True',
    recognise: fields =>
      fields.length === 8 && isBinance(fields, 5)
        ? {
            isHeader: false,
            read: reader(fields, { seq: 0, last: 1, size: 2, time: 5 }, readBinanceTime),
          }
        : null,
  },
  {
    name: 'kraken',
    description: "Kraken's downloadable trades, no header: seconds since 1970, price, size",
    example: '1381095255,122.00000,0.10000000',
    recognise: fields =>
      fields.length === 3 &&
      /^\d{10}(?:\.\d+)?$/.test(fields[0] ?? '') &&
      fields.slice(1).every(field => DECIMAL.test(field))
        ? {
            isHeader: false,
            read: reader(fields, { time: 0, last: 1, size: 2 }, createTimeReader('s', undefined)),
          }
        : null,
  },
];

/**
 * @returns the reader of a file that has this line among its first ones, or null.
 * @throws {HeaderError} for a header with repeated or missing columns, and for bars.
 */
export function recognise(
  fields: readonly string[],
  layouts: readonly Layout[],
  options: ReadingOptions,
): RowReader | null {
  refuseBars(fields);
  if (options.columns !== undefined) return recogniseColumns(fields, options.columns, options.zone);
  for (const layout of layouts) {
    const found = layout.recognise(fields, options);
    if (found !== null) return found;
  }
  return null;
}

function refuseBars(fields: readonly string[]): void {
  const names = fields.map(field => field.toLowerCase());
  const isHeader = ['open', 'high', 'low', 'close'].every(name => names.includes(name));
  const isMinute = HISTDATA_MINUTE.test(fields[0] ?? '') && fields.length === 6;
  if (isHeader || isMinute) {
    throw new HeaderError('it has bars (open, high, low, close), and bars are no ticks');
  }
}

function refuseRepeated(names: readonly string[]): void {
  const repeated = names.find((name, index) => name !== '' && names.indexOf(name) !== index);
  if (repeated !== undefined) throw new HeaderError(`column ${quote(repeated)} appears twice`);
}

function recogniseColumns(
  fields: readonly string[],
  columns: Columns,
  zone: string | undefined,
): RowReader | null {
  const isNumbered = [...columns.values()].every(({ column }) => WHOLE.test(column));
  const names = fields.map(field => field.toLowerCase());
  const places: Partial<Record<Role, number>> = {};
  for (const [role, { column }] of columns) {
    const place = isNumbered ? Number(column) - 1 : names.indexOf(column.toLowerCase());
    if (place < 0 || place >= fields.length) return null;
    places[role] = place;
  }
  const { time = -1, ...others } = places;
  const readTime = createTimeReader(columns.get('time')?.unit ?? 'text', zone);
  // A file without a header begins with a tick; of a header that is not named, the times cannot be read.
  if (isNumbered && 'fault' in readTime(fields[time] ?? '')) return null;
  return { isHeader: !isNumbered, read: reader(names, { time, ...others }, readTime) };
}

/**
 * What `--columns` says: `time=participant_timestamp:ns,last=price,size=size,seq=id`.
 * @throws {RangeError}
 */
export function parseColumns(text: string): Columns {
  const columns = new Map<Role, { column: string; unit: TimeUnit | undefined }>();
  for (const part of text.split(',')) {
    const [, name = '', column = '', unit] = /^\s*(\w+)=(.+?)(?::(\w+))?\s*$/.exec(part) ?? [];
    const role = ROLES.find(each => each === name);
    if (role === undefined) {
      throw new RangeError(`${quote(part)} is not NAME=COLUMN with a NAME of ${ROLES.join(', ')}`);
    }
    if (columns.has(role)) throw new RangeError(`${role} is named twice`);
    const known = TIME_UNITS.find(each => each === unit);
    if (unit !== undefined && (role !== 'time' || known === undefined)) {
      throw new RangeError(`${quote(part)}: only time has a unit, one of ${TIME_UNITS.join(', ')}`);
    }
    columns.set(role, { column, unit: known });
  }
  if (!columns.has('time')) throw new RangeError('it names no column for time');
  if (!(['bid', 'ask', 'last'] as const).some(role => columns.has(role))) {
    throw new RangeError('it names no column for bid, ask or last');
  }
  return columns;
}

/** A layout with a header of its own. */
function headed(
  name: string,
  description: string,
  example: string,
  columns: Partial<Record<Role, string | RegExp>>,
  timeReader: (zone: string | undefined, options: ReadingOptions) => TimeReader,
): Layout {
  return {
    name,
    description: `${description}: ${example}`,
    example,
    recognise: (fields, options) => {
      const names = fields.map(field => field.toLowerCase());
      const places: Partial<Record<Role, number>> = {};
      let zone: string | undefined;
      for (const role of ROLES) {
        const wanted = columns[role];
        if (wanted === undefined) continue;
        const place = names.findIndex(each =>
          typeof wanted === 'string' ? each === wanted : wanted.test(each),
        );
        if (place < 0) return null;
        if (typeof wanted !== 'string') zone = wanted.exec(names[place] ?? '')?.[1];
        places[role] = place;
      }
      refuseRepeated(names);
      const { time = -1, ...others } = places;
      return {
        isHeader: true,
        read: reader(names, { time, ...others }, timeReader(zone, options)),
      };
    },
  };
}

/** @param like A line of the file: the others have as many columns, and may end with a delimiter. */
function reader(
  like: readonly string[],
  places: { readonly [role in Role]?: number | undefined } & { readonly time: number },
  readTime: TimeReader,
): RowReader['read'] {
  const { time, bid, ask, last, size, seq, symbol } = places;
  const at = (fields: readonly string[], place: number | undefined): string =>
    place === undefined ? '' : (fields[place] ?? '');
  return (fields, own) => {
    const isWhole =
      fields.length === like.length || (fields.length === like.length + 1 && fields.at(-1) === '');
    if (!isWhole) return wrongColumns(fields, like.length);
    if (symbol !== undefined && !isOf(own, at(fields, symbol))) {
      return wrongSymbol(at(fields, symbol), own);
    }
    const timeText = at(fields, time);
    const reading = readTime(timeText);
    const isTime = 'observedAt' in reading;
    return {
      observedAt: isTime ? reading.observedAt : null,
      timeFault: isTime ? undefined : reading.fault,
      timeText,
      bid: at(fields, bid),
      ask: at(fields, ask),
      last: at(fields, last),
      size: at(fields, size),
      seq: at(fields, seq),
    };
  };
}

const isOf = (symbol: string, name: string): boolean =>
  name.replace(/[/_-]/, '') === symbol.replace(/[/_-]/, '');

const wrongSymbol = (name: string, symbol: string): Fault => ({
  reason: 'wrong_symbol',
  detail: `the line is of ${quote(name)}, not of ${symbol}`,
});

const isBinance = (fields: readonly string[], time: number): boolean =>
  WHOLE.test(fields[0] ?? '') &&
  fields.slice(1, time).every(field => DECIMAL.test(field)) &&
  /^\d{13}(?:\d{3})?$/.test(fields[time] ?? '') &&
  fields.slice(time + 1).every(field => /^(true|false)$/i.test(field));

/** Milliseconds, and in the spot files of 2025 and later microseconds. */
const readBinanceTime: TimeReader = text =>
  createTimeReader(text.length >= 16 ? 'us' : 'ms', undefined)(text);

function readTrueFx(fields: readonly string[], symbol: string): Row | Fault {
  if (fields.length !== 4) return wrongColumns(fields, 4);
  const [pair = '', timeText = '', bid = '', ask = ''] = fields;
  if (!isOf(symbol, pair)) return wrongSymbol(pair, symbol);
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
