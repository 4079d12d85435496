import { cut } from './text.ts';

/**
 * Every reason for which something that came in is not stored, the same list as the view
 * `feed.rejection_reasons`: a test compares them. Equal faults have one code, whoever finds them.
 */
export const REASONS = [
  'conflict',
  'line_too_long',
  'malformed',
  'no_price',
  'not_tradeable',
  'number_malformed',
  'older_than_retention',
  'price_not_finite',
  'price_not_positive',
  'price_too_large',
  'refused_by_database',
  'seq_out_of_range',
  'size_negative',
  'size_not_finite',
  'size_too_large',
  'symbol_invalid',
  'time_before_1970',
  'time_in_future',
  'time_malformed',
  'unknown_instrument',
  'wrong_columns',
  'wrong_source',
  'wrong_symbol',
] as const;

export type Reason = (typeof REASONS)[number];

/** What is wrong with an input: its code, and one sentence that names the field and its value. */
export interface Fault {
  readonly reason: Reason;
  readonly detail: string;
}

/** Something that came in and is no tick. */
export interface Rejection extends Fault {
  readonly symbol: string | null;
  /** The input as it came, cut to 1,000 characters. */
  readonly raw: string;
}

/** An input that becomes no tick, in a form that the database can keep as text. */
export function reject(symbol: string | null, fault: Fault, raw: string): Rejection {
  return { symbol, reason: fault.reason, detail: fault.detail, raw: cut(raw, 1_000) };
}
