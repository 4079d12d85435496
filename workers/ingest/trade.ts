import { type Fault, type Rejection, reject } from './rejection.ts';
import type { Item, Tick } from './source.ts';
import { quote, toNumber } from './text.ts';
import { checkTick, toSeq } from './tick.ts';
import type { Mark } from './trail.ts';

/** A trade of an exchange, as it was heard or fetched: its place in the order, and its tick or why there is none. */
export interface Trade {
  readonly symbol: string;
  readonly mark: Mark;
  readonly tick: Tick | Rejection;
}

export interface TradeText {
  readonly symbol: string;
  /** Digits. */
  readonly id: string;
  /** UTC with microseconds, or null when the provider's text was none. */
  readonly time: string | null;
  readonly price: string;
  readonly size: string;
}

/** The id of a stored trade; quotes have none. */
export const tradeIdOf = (seq: Tick['seq'] | undefined): bigint | null =>
  seq === null || seq === undefined ? null : BigInt(seq);

/**
 * @param raw What came, for a rejection.
 * @param now Milliseconds since 1970, to refuse prices from the future.
 */
export function readTrade(text: TradeText, raw: string, now: number): Trade | Rejection {
  const { symbol, id, time, price, size } = text;
  const refuse = (fault: Fault) => reject(symbol, fault, raw);
  if (time === null) return refuse({ reason: 'time_malformed', detail: 'the time of a trade' });
  const mark = { id: BigInt(id), time };
  const numbers = readNumbers({ last: price, size });
  if ('reason' in numbers) return { symbol, mark, tick: refuse(numbers) };
  const tick: Tick = {
    symbol,
    observedAt: time,
    seq: toSeq(id),
    bid: null,
    ask: null,
    ...numbers,
  };
  const fault = checkTick(tick, { now });
  return { symbol, mark, tick: fault === null ? tick : refuse(fault) };
}

export interface QuoteText {
  readonly symbol: string;
  readonly time: string | null;
  /** Null: nobody is there to buy, or to sell. */
  readonly bid: string | null;
  readonly ask: string | null;
}

/** A quote has no id: it is the same as another when its time and its prices are. */
export function readQuote(text: QuoteText, raw: string, now: number): Tick | Rejection {
  const { symbol, time, bid, ask } = text;
  const refuse = (fault: Fault) => reject(symbol, fault, raw);
  if (time === null) return refuse({ reason: 'time_malformed', detail: 'the time of a quote' });
  const numbers = readNumbers({ bid, ask });
  if ('reason' in numbers) return refuse(numbers);
  const tick: Tick = { symbol, observedAt: time, seq: null, last: null, size: null, ...numbers };
  const fault = checkTick(tick, { now });
  return fault === null ? tick : refuse(fault);
}

/** @returns the first that is none as a fault. */
export function readNumbers<Name extends string>(
  texts: Readonly<Record<Name, string | null>>,
): Record<Name, number | null> | Fault {
  const numbers = {} as Record<Name, number | null>;
  for (const [name, text] of Object.entries(texts) as [Name, string | null][]) {
    const number = text === null ? null : toNumber(text);
    if (text !== null && number === null) {
      return { reason: 'number_malformed', detail: `${name} ${quote(text)} is not a number` };
    }
    numbers[name] = number;
  }
  return numbers;
}

export const isRejection = (what: object): what is Rejection => 'reason' in what;

/** What is no tick first, then the ticks as one group. */
export function toItems(
  what: readonly (Tick | Rejection)[],
): Extract<Item, { kind: 'ticks' | 'rejected' }>[] {
  const rejected = what
    .filter(isRejection)
    .map(rejection => ({ kind: 'rejected', rejection }) as const);
  const ticks = what.filter(each => !isRejection(each)) as Tick[];
  return ticks.length === 0 ? rejected : [...rejected, { kind: 'ticks', ticks }];
}
