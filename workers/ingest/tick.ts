import type { Rejection, Tick } from './source.ts';

/** What is wrong with an input: a short code, and one sentence that names the field and its value. */
export interface Fault {
  readonly reason: string;
  readonly detail: string;
}

export interface CheckOptions {
  /** Our clock: milliseconds since 1970, as `Date.now()` gives them. */
  readonly now: number;
  /** How far a source's clock may run before ours, in milliseconds. */
  readonly toleranceMs?: number;
}

/** The largest `seq` the database orders ticks by: 2^43 - 1. */
export const MAX_SEQ = 8_796_093_022_207;

const DEFAULT_TOLERANCE_MS = 5_000;
const SYMBOL = /^[A-Z0-9][A-Z0-9._:-]{0,31}$/;
const UTC_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$/;
const ZONED_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)$/;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Judges one tick by what can be known without the database. Crossed quotes (bid above ask) are
 * facts and pass.
 * @returns null for a good tick, else the first fault found.
 */
export function checkTick(tick: Tick, options: CheckOptions): Fault | null {
  return (
    checkSymbol(tick.symbol) ??
    checkTime(tick.observedAt, options) ??
    checkSeq(tick.seq) ??
    checkPrice('bid', tick.bid) ??
    checkPrice('ask', tick.ask) ??
    checkPrice('last', tick.last) ??
    checkSize(tick.size) ??
    checkAnyPrice(tick)
  );
}

function checkSymbol(symbol: string): Fault | null {
  if (typeof symbol === 'string' && SYMBOL.test(symbol)) return null;
  return {
    reason: 'symbol_invalid',
    detail: `symbol ${quote(symbol)} is not 1 to 32 of A-Z 0-9 . _ : - beginning with a letter or digit`,
  };
}

function checkTime(observedAt: string, options: CheckOptions): Fault | null {
  const parts = UTC_TIME.exec(observedAt);
  if (parts === null || !isRealTime(parts)) {
    return {
      reason: 'time_malformed',
      detail: `observed_at ${quote(observedAt)} is not a UTC time such as 2026-01-31T23:59:59.123456Z`,
    };
  }
  if (Number(parts[1]) < 1970) {
    return {
      reason: 'time_before_1970',
      detail: `observed_at ${quote(observedAt)} is before 1970`,
    };
  }
  const toleranceMs = options.toleranceMs ?? DEFAULT_TOLERANCE_MS;
  if (epochMicroseconds(observedAt) > (options.now + toleranceMs) * 1_000) {
    return {
      reason: 'time_in_future',
      detail: `observed_at ${quote(observedAt)} is more than ${toleranceMs} ms after our clock`,
    };
  }
  return null;
}

function checkSeq(seq: number): Fault | null {
  if (Number.isSafeInteger(seq) && seq >= 0 && seq <= MAX_SEQ) return null;
  return {
    reason: 'seq_out_of_range',
    detail: `seq ${quote(seq)} is not a whole number from 0 to ${MAX_SEQ}`,
  };
}

function checkPrice(field: 'bid' | 'ask' | 'last', price: number | null): Fault | null {
  if (price === null) return null;
  if (!Number.isFinite(price)) {
    return {
      reason: 'price_not_finite',
      detail: `${field} ${quote(price)} is not a finite number`,
    };
  }
  if (price > 0) return null;
  return { reason: 'price_not_positive', detail: `${field} ${quote(price)} is not above zero` };
}

function checkSize(size: number | null): Fault | null {
  if (size === null) return null;
  if (!Number.isFinite(size)) {
    return { reason: 'size_not_finite', detail: `size ${quote(size)} is not a finite number` };
  }
  if (size >= 0) return null;
  return { reason: 'size_negative', detail: `size ${quote(size)} is below zero` };
}

function checkAnyPrice(tick: Tick): Fault | null {
  if (tick.bid !== null || tick.ask !== null || tick.last !== null) return null;
  return { reason: 'no_price', detail: 'none of bid, ask and last has a value' };
}

/**
 * Brings a time with a zone into our canonical text: UTC, exactly six decimals, `Z`. The fraction is
 * text all the way and is cut, not rounded, so that a time never moves into the next bucket.
 *
 * Takes RFC 3339 with up to nine decimals, and what psql prints: a blank for the `T`, `+00` for `Z`.
 * @returns null for anything else: no zone, leap second, 24:00:00, dates that do not exist.
 */
export function toMicroseconds(text: string): string | null {
  const parts = ZONED_TIME.exec(text);
  if (parts === null || !isRealTime(parts)) return null;
  const seconds = parts[8] === undefined ? shiftToUtc(parts) : wallClock(parts);
  return seconds === null ? null : `${seconds}.${(parts[7] ?? '').slice(0, 6).padEnd(6, '0')}Z`;
}

function wallClock(parts: RegExpExecArray): string {
  const [, year, month, day, hour, minute, second] = parts;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}`;
}

/** Whole seconds only: Date is exact for these. */
function shiftToUtc(parts: RegExpExecArray): string | null {
  const [hours, minutes] = [Number(parts[10]), Number(parts[11] ?? 0)];
  if (hours > 23 || minutes > 59) return null;
  const offsetMinutes = (parts[9] === '-' ? -1 : 1) * (hours * 60 + minutes);
  const shifted = new Date(Date.parse(`${wallClock(parts)}Z`) - offsetMinutes * 60_000);
  const text = shifted.toISOString();
  return text.length === 24 ? text.slice(0, 19) : null;
}

/** Do the calendar and the clock know this time? Parts are year, month, day, hour, minute, second. */
function isRealTime(parts: RegExpExecArray): boolean {
  const month = Number(parts[2]);
  const day = Number(parts[3]);
  return (
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysInMonth(Number(parts[1]), month) &&
    Number(parts[4]) < 24 &&
    Number(parts[5]) < 60 &&
    Number(parts[6]) < 60
  );
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Whole microseconds since 1970 of a UTC text with up to six decimals; exact until the year 2255. */
export function epochMicroseconds(observedAt: string): number {
  const fraction = observedAt.slice(20, -1).padEnd(6, '0');
  return Date.parse(`${observedAt.slice(0, 19)}Z`) * 1_000 + Number(fraction);
}

/** Our canonical text of whole microseconds since 1970. */
export function fromEpochMicroseconds(microseconds: number): string {
  const fraction = microseconds % 1_000_000;
  const seconds = new Date((microseconds - fraction) / 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(fraction).padStart(6, '0')}Z`;
}

/** A plain decimal number, or null: no hexadecimal, no locale comma, no blanks, no words. */
export function toNumber(text: string): number | null {
  return DECIMAL.test(text) ? Number(text) : null;
}

/** An input that becomes no tick, in a form that the database can keep as text. */
export function reject(symbol: string | null, fault: Fault, raw: string): Rejection {
  return { symbol, reason: fault.reason, detail: fault.detail, raw: cut(raw, 1_000) };
}

/** A value inside a sentence: escaped, and never longer than 80 characters. */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return cut(String(value), 80);
  return JSON.stringify(cut(value, 80));
}

/** The beginning of a text. PostgreSQL's text takes neither a zero character nor half a surrogate pair. */
export function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed().replaceAll('\0', '\uFFFD');
}
