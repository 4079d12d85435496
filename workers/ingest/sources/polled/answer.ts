import { type Fault, type Rejection, reject } from '../../rejection.ts';
import type { Tick } from '../../source.ts';
import { quote, toNumber } from '../../text.ts';
import { checkTick, toSeq } from '../../tick.ts';
import { fromEpochMicroseconds, toMicroseconds } from '../../time.ts';
import { readNumbers } from '../../trade.ts';
import type { Mark } from '../../trail.ts';
import type { Row } from './row.ts';

/** What an item of an answer means. */
export interface Read {
  /** The same for the same item in another answer. */
  readonly key: string;
  readonly tick: Tick | Rejection;
  /** Its place in the order, where ids are consecutive. */
  readonly mark: Mark | null;
  /** Digits after the point of its longest price. */
  readonly decimals: number;
}

export interface Asked {
  readonly row: Row;
  /** Ours. */
  readonly symbol: string;
  /** UTC, when the answer came. */
  readonly receivedAt: string;
  /** Milliseconds since 1970, to refuse prices from the future. */
  readonly now: number;
  /** Takes out what is never told. */
  readonly hide: (text: string) => string;
}

/** Far more than any answer of one instrument has. */
const MOST_ITEMS = 20_000;

/**
 * What an answer says of one instrument, in the order in which it stands there; of consecutive ids, in theirs.
 * @param json With each number as its own text, see `parseExactly`.
 */
export function readAnswer(json: unknown, asked: Asked): readonly Read[] {
  const { row, symbol, hide } = asked;
  const theirs = symbolOf(row, symbol);
  const found = itemsIn(json, row, theirs);
  if (found === undefined) {
    const detail = `the answer has no list at ${quote(row.items_path)}`;
    const tick = reject(symbol, { reason: 'malformed', detail }, hide(written(json)));
    return [{ key: detail, tick, mark: null, decimals: 0 }];
  }
  const copies = new Map<string, number>();
  const all = found.map(item => {
    const raw = hide(written(item));
    const { tick, mark } = readItem(item, raw, theirs, asked);
    if ('reason' in tick) return { key: `${tick.reason} ${raw}`, tick, mark, decimals: 0 };
    const time = row.time_path === null ? '' : tick.observedAt;
    const content = `${time} ${tick.seq} ${tick.bid} ${tick.ask} ${tick.last} ${tick.size}`;
    const copy = (copies.get(content) ?? 0) + 1;
    copies.set(content, copy);
    return {
      key: `${content} ${copy}`,
      tick: tick.seq === null ? { ...tick, copy } : tick,
      mark,
      decimals: Math.max(...[tick.bid, tick.ask, tick.last].map(decimalsOf)),
    };
  });
  if (!row.ids_are_consecutive) return all;
  return all.sort((one, other) => {
    const [low, high] = [one.mark?.id ?? -1n, other.mark?.id ?? -1n];
    return low < high ? -1 : low > high ? 1 : 0;
  });
}

/** The provider's symbol of one of ours. */
export const symbolOf = (row: Row, symbol: string): string =>
  (Object.hasOwn(row.symbols, symbol) ? row.symbols[symbol] : undefined) ?? symbol;

function itemsIn(json: unknown, row: Row, theirs: string): readonly unknown[] | undefined {
  if (row.items_path === null) return [json];
  const list = at(json, row.items_path, theirs);
  if (!Array.isArray(list) || list.length > MOST_ITEMS) return undefined;
  const { symbol_path } = row;
  if (symbol_path === null) return list;
  return list.filter(item => at(item, symbol_path, theirs) === theirs);
}

function readItem(
  item: unknown,
  raw: string,
  theirs: string,
  { row, symbol, receivedAt, now, hide }: Asked,
): { tick: Tick | Rejection; mark: Mark | null } {
  const refuse = (fault: Fault, mark: Mark | null = null) => ({
    tick: reject(symbol, fault, raw),
    mark,
  });
  // Before it is cut: half a secret is one too.
  const shown = (value: unknown) => quote(typeof value === 'string' ? hide(value) : value);
  const told = (path: string | null) => {
    const value = path === null ? null : at(item, path, theirs);
    return value === undefined || value === null ? null : value;
  };
  const time = row.time_path === null ? receivedAt : readTime(told(row.time_path), row.time_format);
  if (time === null) {
    const detail = `${shown(told(row.time_path))} at ${row.time_path} is not a time as ${row.time_format}`;
    return refuse({ reason: 'time_malformed', detail });
  }
  const id = told(row.id_path);
  if (row.id_path !== null && (typeof id !== 'string' || !/^\d{1,30}$/.test(id))) {
    const detail = `${shown(id)} at ${row.id_path} is not a whole number`;
    return refuse({ reason: 'number_malformed', detail });
  }
  const seq = typeof id === 'string' ? toSeq(id) : null;
  const mark = seq !== null && row.ids_are_consecutive ? { id: BigInt(seq), time } : null;
  const texts = {
    bid: told(row.bid_path),
    ask: told(row.ask_path),
    last: told(row.last_path),
    size: told(row.size_path),
  };
  const odd = Object.entries(texts).find(
    ([, value]) => value !== null && typeof value !== 'string',
  );
  if (odd !== undefined) {
    const detail = `${odd[0]} ${quote(odd[1])} is not a number`;
    return refuse({ reason: 'number_malformed', detail }, mark);
  }
  const numbers = readNumbers(texts as Record<keyof typeof texts, string | null>);
  if ('reason' in numbers) {
    const bad = Object.entries(texts).find(
      ([, text]) => typeof text === 'string' && toNumber(text) === null,
    );
    return refuse({ ...numbers, detail: `${bad?.[0]} ${shown(bad?.[1])} is not a number` }, mark);
  }
  const tick: Tick = { symbol, observedAt: time, seq, ...numbers };
  const fault = checkTick(tick, { now });
  return fault === null ? { tick, mark } : refuse(fault, mark);
}

/** What stands at a pointer; undefined when there is nothing. */
function at(json: unknown, pointer: string, theirs: string): unknown {
  let value = json;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~').replaceAll('{symbol}', theirs);
    if (Array.isArray(value)) value = /^\d{1,9}$/.test(name) ? value[Number(name)] : undefined;
    else if (typeof value !== 'object' || value === null) return undefined;
    else value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

/** Of digits after the point of a second, by unit. */
const DIGITS = { s: 6, ms: 3, us: 0, ns: -3 } as const;

/** UTC with microseconds, cut and not rounded; null when it is none. Exact: it is text all the way. */
function readTime(told: unknown, format: Row['time_format']): string | null {
  if (typeof told !== 'string' || format === 'received') return null;
  if (format === 'iso') return toMicroseconds(told);
  const [, whole, fraction = ''] = /^(\d{1,20})(?:\.(\d{1,12}))?$/.exec(told) ?? [];
  if (whole === undefined) return null;
  const digits = DIGITS[format];
  const text =
    digits < 0 ? whole.slice(0, digits) : whole + fraction.slice(0, digits).padEnd(digits, '0');
  const microseconds = Number(text === '' ? '0' : text);
  return microseconds < 8_000_000_000_000_000 ? fromEpochMicroseconds(microseconds) : null;
}

/** To 15 significant digits: what a float has beyond them is noise, as in 1.1740249999999999. */
function decimalsOf(price: number | null): number {
  const [mantissa = '', exponent = '0'] = String(Number((price ?? 0).toPrecision(15))).split('e');
  return Math.max(0, (mantissa.split('.')[1] ?? '').length - Number(exponent));
}

const written = (json: unknown): string => JSON.stringify(json) ?? '';
