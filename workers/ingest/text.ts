import { printable } from '../../db/runtime/logger.ts';

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A plain decimal number, or null: no hexadecimal, no locale comma, no blanks, no words. */
export function toNumber(text: string): number | null {
  return DECIMAL.test(text) ? Number(text) : null;
}

/** A value inside a sentence: escaped, and never longer than 80 characters and their quotes and escapes. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cut(value, 80));
  // Objects from outside have members of any name, toString too, and are nested as deep as they like.
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : cut(String(value), 80);
}

/** The beginning of a text that comes from outside, so that it can be shown and stored. */
export function cut(text: string, length: number): string {
  return printable(text.slice(0, length));
}

/** The same of a text that is to be one line of words. */
export function oneLine(text: string, length: number): string {
  // No more than is needed is looked at: it may be of any length.
  return cut(
    text
      .slice(0, length * 8)
      .replaceAll(/\s+/g, ' ')
      .trim(),
    length,
  );
}
