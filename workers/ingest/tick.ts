import type { Fault } from './rejection.ts';
import type { Tick } from './source.ts';
import { quote } from './text.ts';
import { epochMicroseconds, isUtcTime } from './time.ts';

export interface CheckOptions {
  /** Our clock: milliseconds since 1970, as `Date.now()` gives them. */
  readonly now: number;
  /** How far a source's clock may run before ours, in milliseconds. */
  readonly toleranceMs?: number;
  /**
   * Prices of zero and below are prices. Absent: only the database knows, and judges (`feed.tick_fault`), as of all live
   * sources: an operator may say so of an instrument at any time.
   */
  readonly allowsNegative?: boolean;
}

/** The largest `seq`: 2^63 - 1. */
export const MAX_SEQ = 9_223_372_036_854_775_807n;
/** Sums of a candle would overflow from these on, and from the one below zero down. */
const TOO_LARGE_PRICE = 1e15;
const TOO_LARGE_SIZE = 1e18;

const DEFAULT_TOLERANCE_MS = 5_000;
const SIDES = ['bid', 'ask', 'last'] as const;
const PRICE_FAULTS = [
  {
    reason: 'price_not_finite',
    isFaulty: (price: number) => !Number.isFinite(price),
    why: 'is not a finite number',
  },
  {
    reason: 'price_not_positive',
    isFaulty: (price: number, { allowsNegative }: CheckOptions) =>
      price <= 0 && allowsNegative === false,
    why: 'is not above zero',
  },
  {
    reason: 'price_too_large',
    isFaulty: (price: number, { allowsNegative }: CheckOptions) =>
      price >= TOO_LARGE_PRICE || (allowsNegative === true && price <= -TOO_LARGE_PRICE),
    why: 'is not between -1e15 and 1e15',
  },
] as const;
const SYMBOL = /^[A-Z0-9][A-Z0-9._:-]{0,31}$/;

/**
 * Judges one tick by what can be known without the database; of several faults it finds the one that
 * `feed.tick_fault` would, which judges again what passes. Crossed quotes (bid above ask) are facts and pass.
 * @returns null for a good tick.
 */
export function checkTick(tick: Tick, options: CheckOptions): Fault | null {
  return (
    checkSymbol(tick.symbol) ??
    checkTime(tick.observedAt, options) ??
    checkSeq(tick.seq) ??
    checkPrices(tick, options) ??
    checkSize(tick.size)
  );
}

/**
 * The tick that a source says again while nothing changes, to show that it lives: the newest one that is stored whatever
 * its instrument is, else the newest.
 */
export function toSayAgain(before: Tick | undefined, ticks: readonly Tick[]): Tick | undefined {
  const sure = ticks.findLast(hasPositivePrices);
  if (sure !== undefined) return sure;
  if (before !== undefined && hasPositivePrices(before)) return before;
  return ticks.at(-1) ?? before;
}

const hasPositivePrices = (tick: Tick): boolean => SIDES.every(side => (tick[side] ?? 1) > 0);

export function isSymbol(text: unknown): boolean {
  return typeof text === 'string' && SYMBOL.test(text);
}

function checkSymbol(symbol: string): Fault | null {
  if (isSymbol(symbol)) return null;
  return {
    reason: 'symbol_invalid',
    detail: `symbol ${quote(symbol)} is not 1 to 32 of A-Z 0-9 . _ : - beginning with a letter or digit`,
  };
}

function checkTime(observedAt: string, options: CheckOptions): Fault | null {
  if (!isUtcTime(observedAt)) {
    return {
      reason: 'time_malformed',
      detail: `observed_at ${quote(observedAt)} is not a UTC time such as 2026-01-31T23:59:59.123456Z`,
    };
  }
  if (Number(observedAt.slice(0, 4)) < 1970) {
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

function checkSeq(seq: Tick['seq']): Fault | null {
  if (seq === null) return null;
  const isExact = typeof seq === 'bigint' || Number.isSafeInteger(seq);
  if (isExact && seq >= 0 && seq <= MAX_SEQ) return null;
  return {
    reason: 'seq_out_of_range',
    detail: `seq ${quote(seq)} is not a whole number from 0 to ${MAX_SEQ}`,
  };
}

/** A `seq` from the digits of a source, exactly. */
export function toSeq(digits: string): number | bigint {
  const seq = Number(digits);
  return Number.isSafeInteger(seq) ? seq : BigInt(digits);
}

function checkPrices(tick: Tick, options: CheckOptions): Fault | null {
  if (tick.bid === null && tick.ask === null && tick.last === null) {
    return { reason: 'no_price', detail: 'none of bid, ask and last has a value' };
  }
  for (const { reason, isFaulty, why } of PRICE_FAULTS) {
    for (const side of SIDES) {
      const price = tick[side];
      if (price === null || !isFaulty(price, options)) continue;
      return { reason, detail: `${side} ${quote(price)} ${why}` };
    }
  }
  return null;
}

function checkSize(size: number | null): Fault | null {
  if (size === null) return null;
  const told = `size ${quote(size)}`;
  if (!Number.isFinite(size)) {
    return { reason: 'size_not_finite', detail: `${told} is not a finite number` };
  }
  if (size < 0) return { reason: 'size_negative', detail: `${told} is below zero` };
  if (size < TOO_LARGE_SIZE) return null;
  return { reason: 'size_too_large', detail: `${told} is not below 1e18` };
}
