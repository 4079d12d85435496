import { quote } from '../text.ts';
import { fromEpochMicroseconds, toMicroseconds } from '../time.ts';

/** How a file writes its times: seconds, milli-, micro- or nanoseconds since 1970, or text. */
export const TIME_UNITS = ['s', 'ms', 'us', 'ns', 'text', 'mdy'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** A time in our canonical text, or what is wrong with it, as the end of a sentence. */
export type TimeReading = { readonly observedAt: string } | { readonly fault: string };
export type TimeReader = (text: string) => TimeReading;

const NUMBER = /^(\d+)(?:\.(\d*))?$/;
const DIGITS_BELOW_SECOND = { s: 0, ms: 3, us: 6, ns: 9 };
/** Year, month, day, hour, minute, second, fraction, zone; the date's marks and the clock's may be absent. */
const YEAR_FIRST =
  /^(\d{4})([-./]?)(\d\d)\2(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(?:[.,]?(\d{1,9}))?(?: ?(Z|UTC|GMT)? ?([+-]\d\d:?\d\d)?)$/i;
const DAY_FIRST =
  /^(\d\d)([-./])(\d\d)\2(\d{4})[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|UTC|GMT)? ?([+-]\d\d:?\d\d)?)$/i;
const SAME_SECOND_MS = 1_000;

/** @param zone Of times that say none: `UTC`, an offset such as `-05:00`, or a name such as `Europe/Berlin`. */
export function createTimeReader(unit: TimeUnit, zone: string | undefined): TimeReader {
  if (unit === 'text' || unit === 'mdy') return createTextReader(unit === 'mdy', zone);
  return text => {
    const observedAt = fromEpochText(text, DIGITS_BELOW_SECOND[unit]);
    return observedAt === null
      ? { fault: `is not a number of ${unit} since 1970` }
      : { observedAt };
  };
}

/** The number is text all the way: nanoseconds are beyond what a float holds. */
export function fromEpochText(text: string, digitsBelowSecond: number): string | null {
  const parts = NUMBER.exec(text);
  if (parts === null) return null;
  const [, whole = '', fraction = ''] = parts;
  const padded = whole.padStart(digitsBelowSecond + 1, '0');
  const seconds = Number(padded.slice(0, padded.length - digitsBelowSecond));
  const below = padded.slice(padded.length - digitsBelowSecond) + fraction;
  const micros = Number(below.slice(0, 6).padEnd(6, '0'));
  // The year 9999 and no further.
  if (seconds > 253_402_300_799) return null;
  return fromEpochMicroseconds(seconds * 1_000_000 + micros);
}

function createTextReader(isMonthFirst: boolean, zone: string | undefined): TimeReader {
  const shift = zone === undefined ? null : createShift(zone);
  return text => {
    const plain = isMonthFirst ? null : toMicroseconds(text);
    if (plain !== null) return { observedAt: plain };
    const parts = yearFirst(text) ?? dayFirst(text, isMonthFirst);
    if (parts === null) return { fault: explain(text) };
    const { date, clock, fraction, offset } = parts;
    const local = `${date}T${clock}`;
    if (offset !== null) {
      const observedAt = toMicroseconds(`${local}.${fraction}${offset}`);
      return observedAt === null ? { fault: 'does not exist' } : { observedAt };
    }
    if (shift === null) {
      return { fault: 'has no zone: say which with --zone, for example --zone UTC' };
    }
    const seconds = shift(local);
    if (seconds === null) return { fault: `does not exist in ${zone}` };
    return { observedAt: `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}Z` };
  };
}

interface Parts {
  readonly date: string;
  readonly clock: string;
  readonly fraction: string;
  readonly offset: string | null;
}

function yearFirst(text: string): Parts | null {
  const parts = YEAR_FIRST.exec(text);
  if (parts === null) return null;
  const [, year, , month, day, ...rest] = parts;
  return toParts(`${year}-${month}-${day}`, rest);
}

function dayFirst(text: string, isMonthFirst: boolean): Parts | null {
  const parts = DAY_FIRST.exec(text);
  if (parts === null) return null;
  const [, first, , second, year, ...rest] = parts;
  const [day, month] = isMonthFirst ? [second, first] : [first, second];
  return toParts(`${year}-${month}-${day}`, rest);
}

function toParts(date: string, rest: readonly (string | undefined)[]): Parts {
  const [hour, minute, second, fraction = '0', zone, offset] = rest;
  return {
    date,
    clock: `${hour}:${minute}:${second}`,
    fraction,
    offset: offset ?? (zone === undefined ? null : 'Z'),
  };
}

function explain(text: string): string {
  const unit = { 10: 's', 13: 'ms', 16: 'us', 19: 'ns' }[NUMBER.exec(text)?.[1]?.length ?? 0];
  return unit === undefined
    ? 'is not a time of this layout'
    : `looks like ${unit} since 1970: say so with --columns 'time=COLUMN:${unit}'`;
}

/** Wall clock without a zone -> whole seconds in UTC, null for an hour that the zone leaves out. */
function createShift(zone: string): (local: string) => string | null {
  const fixed = /^[+-]\d\d:\d\d$/.test(zone) ? zone : /^(UTC|GMT|Z)$/i.test(zone) ? 'Z' : null;
  if (fixed !== null) return local => toMicroseconds(`${local}${fixed}`)?.slice(0, 19) ?? null;
  const offsetAt = createOffsets(zone);
  const known = new Map<number, number | null>();
  return local => {
    const utc = toMicroseconds(`${local}Z`);
    if (utc === null) return null;
    const wall = Date.parse(`${utc.slice(0, 19)}Z`);
    const quarter = Math.floor(wall / 900_000);
    let offset = known.get(quarter);
    if (offset === undefined) {
      if (known.size > 10_000) known.clear();
      offset = offsetOf(wall, offsetAt);
      known.set(quarter, offset);
    }
    return offset === null ? null : new Date(wall - offset).toISOString().slice(0, 19);
  };
}

/** An hour that comes twice is taken for the first one. */
function offsetOf(wall: number, offsetAt: (utc: number) => number): number | null {
  const day = 86_400_000;
  const candidates = [offsetAt(wall - day), offsetAt(wall + day)];
  return candidates.find(offset => offsetAt(wall - offset) === offset) ?? null;
}

/** A zone's milliseconds before UTC. */
function createOffsets(zone: string): (utc: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return utc => {
    const part = Object.fromEntries(
      format.formatToParts(utc).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    const wall = Date.UTC(year, month - 1, day, hour, minute, second);
    return wall - Math.floor(utc / SAME_SECOND_MS) * SAME_SECOND_MS;
  };
}

/** @throws {RangeError} for a zone that does not exist. */
export function checkZone(zone: string): string {
  if (/^[+-]\d\d:\d\d$/.test(zone)) return zone;
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    throw new RangeError(
      `${quote(zone)} is no time zone: take UTC, an offset such as -05:00, or a name such as Europe/Berlin`,
    );
  }
}
