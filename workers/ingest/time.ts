const UTC_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$/;
const ZONED_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)$/;

/** Is this a time in UTC with up to six decimals that the calendar and the clock know? */
export function isUtcTime(text: string): boolean {
  const parts = UTC_TIME.exec(text);
  return parts !== null && isRealTime(parts);
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
  const minute = observedAt.slice(0, 16);
  if (minute !== lastMinute) {
    lastMinute = minute;
    lastMinuteMs = Date.parse(`${minute}Z`);
  }
  const second = Number(observedAt.slice(17, 19));
  const fraction = observedAt.slice(20, -1);
  const micros = Number(fraction) * 10 ** (6 - fraction.length);
  return (lastMinuteMs + second * 1_000) * 1_000 + micros;
}

/** The minute that was read last: as with the date below. */
let lastMinute = '';
let lastMinuteMs = Number.NaN;

/** The date that was written last, as times come by the hundred thousand and hardly ever change it. */
let lastDay = Number.NaN;
let lastDate = '';

/** Our canonical text of whole microseconds since 1970. */
export function fromEpochMicroseconds(microseconds: number): string {
  const day = Math.floor(microseconds / 86_400_000_000);
  if (day !== lastDay) {
    lastDate = new Date(day * 86_400_000).toISOString().slice(0, 10);
    lastDay = day;
  }
  const ofDay = microseconds - day * 86_400_000_000;
  const second = Math.floor(ofDay / 1_000_000);
  const [hours, minutes] = [Math.floor(second / 3_600), Math.floor(second / 60) % 60];
  const fraction = String(ofDay % 1_000_000).padStart(6, '0');
  return `${lastDate}T${twoDigits(hours)}:${twoDigits(minutes)}:${twoDigits(second % 60)}.${fraction}Z`;
}

const twoDigits = (value: number) => (value < 10 ? `0${value}` : String(value));

/** Our canonical text of a time as `Date.now()` gives it. */
export function fromEpochMilliseconds(milliseconds: number): string {
  return fromEpochMicroseconds(Math.round(milliseconds * 1_000));
}

/** Our canonical text of seconds since 1970 as a decimal number, cut to microseconds; null when it is none. */
export function fromEpochSeconds(text: string): string | null {
  const [, seconds, fraction = ''] = /^(\d{1,11})(?:\.(\d{1,12}))?$/.exec(text) ?? [];
  if (seconds === undefined) return null;
  return fromEpochMicroseconds(
    Number(seconds) * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0')),
  );
}
