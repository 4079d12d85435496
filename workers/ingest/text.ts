const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A plain decimal number, or null: no hexadecimal, no locale comma, no blanks, no words. */
export function toNumber(text: string): number | null {
  return DECIMAL.test(text) ? Number(text) : null;
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
