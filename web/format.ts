import type { Band, Unit, Verdict } from './dashboard.ts';

/** A value that does not exist: never a zero, never an empty cell. */
export const none = '—';

const numberFormats = new Map<string, Intl.NumberFormat>();

function numberFormat(digits: number, signed: boolean): Intl.NumberFormat {
  const key = `${digits} ${signed}`;
  let format = numberFormats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat('en-US', {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      signDisplay: signed ? 'exceptZero' : 'negative',
    });
    numberFormats.set(key, format);
  }
  return format;
}

const decimals = (value: number, digits: number, signed: boolean) =>
  numberFormat(Math.min(20, Math.max(0, digits)), signed)
    .format(value)
    .replace('-', '−');

const isNumber = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** A price with the instrument's own decimals and thousands separators. */
export function price(value: number | null | undefined, precision: number): string {
  return isNumber(value) ? decimals(value, precision, false) : none;
}

/** A difference of prices, always with its sign. */
export function change(value: number | null | undefined, precision: number): string {
  return isNumber(value) ? decimals(value, precision, true) : none;
}

/** A percentage with sign and two digits. */
export function percent(value: number | null | undefined): string {
  return isNumber(value) ? `${decimals(value, 2, true)} %` : none;
}

/** A part of a whole from 0 to 1, as percent with one digit. */
export function share(value: number | null | undefined): string {
  return isNumber(value) ? `${decimals(100 * value, 1, false)} %` : none;
}

/** A difference of two such parts, in percentage points with its sign. */
export function points(value: number | null | undefined): string {
  return isNumber(value) ? decimals(100 * value, 1, true) : none;
}

/** A count or whole number with thousands separators. */
export function count(value: number | null | undefined): string {
  return isNumber(value) ? decimals(value, 0, false) : none;
}

/** A number of any scale: four telling digits, no exponent. */
export function value(number: number | null | undefined): string {
  if (!isNumber(number)) return none;
  if (number === 0) return '0';
  const digits = 3 - Math.floor(Math.log10(Math.abs(number)));
  return decimals(number, Math.min(10, Math.max(0, digits)), false);
}

/** An indicator's output in the unit that its kind declares; `precision` is the instrument's. chart.js writes alike. */
export function output(number: number | null | undefined, unit: Unit, precision: number): string {
  if (!isNumber(number)) return none;
  switch (unit) {
    case 'price':
      return price(number, precision);
    case 'percent':
      return `${decimals(number, 2, false)} %`;
    case 'probability':
      return `${decimals(100 * number, 1, false)} %`;
    case 'basis_points':
      return `${decimals(number, 2, false)} bp`;
    case 'count':
      return count(number);
    case 'ratio':
      return value(number);
  }
}

/** Milliseconds since 1970 of a time in PostgreSQL's or ISO's writing; NaN when it is neither. */
export function milliseconds(time: string): number {
  const iso = time.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00');
  return Date.parse(iso.replace(/(\.\d{3})\d+/, '$1'));
}

/** ISO text in UTC of a time from the database, microseconds kept. */
export function iso(time: string): string {
  const utc = time.replace(' ', 'T').replace(/(?:\+00(?::?00)?|Z)$/, 'Z');
  if (utc.endsWith('Z')) return utc;
  const at = milliseconds(time);
  return Number.isNaN(at) ? time : new Date(at).toISOString();
}

/** A time as people read it, in UTC and saying so. */
export function utc(time: string | null | undefined): string {
  if (time === null || time === undefined) return none;
  return `${iso(time)
    .replace('T', ' ')
    .replace(/(?:\.0+)?Z$/, '')} UTC`;
}

/** A duration in its largest fitting unit: `2 s`, `3 min`, `5 h`, `2 d`. page.js counts on alike. */
export function duration(seconds: number | null | undefined): string {
  if (!isNumber(seconds)) return none;
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Seconds that passed since a time; null when there is none. */
export function secondsSince(time: string | null | undefined, now: number): number | null {
  if (time === null || time === undefined) return null;
  const at = milliseconds(time);
  return Number.isNaN(at) ? null : Math.max(0, (now - at) / 1_000);
}

/** The three signs of a verdict that do not need colour: arrow, word and number. */
export function verdictSigns(verdict: Exclude<Verdict, null>) {
  if (verdict > 0) return { tone: 'up', arrow: '▲', word: 'bullish', sign: '+1' };
  if (verdict < 0) return { tone: 'down', arrow: '▼', word: 'bearish', sign: '−1' };
  return { tone: 'flat', arrow: '■', word: 'neutral', sign: '0' };
}

/** The signs of a rating's band beside its word. */
export function bandSigns(band: Band) {
  if (band.endsWith('buy')) return { tone: 'up', arrow: band === 'buy' ? '▲' : '▲▲' };
  if (band.endsWith('sell')) return { tone: 'down', arrow: band === 'sell' ? '▼' : '▼▼' };
  return { tone: 'flat', arrow: '■' };
}
