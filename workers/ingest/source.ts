import type { Rejection } from './rejection.ts';

/**
 * What a source of prices fulfils. A source knows its provider's wire and nothing of the database;
 * it reconnects by itself and ends only when it is told to, or when going on is pointless.
 */
export interface Source {
  /** The name under which `feed.sources` knows it, for example `oanda`. */
  readonly name: string;
  /** Made-up prices. The label follows them from here to the screen. */
  readonly isSimulated: boolean;
  /**
   * What the source offers for these symbols; without any, its default watchlist.
   * @throws {SourceError} for a symbol that it does not offer.
   */
  instruments(symbols: readonly string[], signal?: AbortSignal): Promise<readonly Instrument[]>;
  /**
   * Ticks in the order in which they came, in groups as they arrived together.
   * @throws {SourceError} when trying again cannot help, such as a refused token.
   */
  ticks(request: TickRequest): AsyncIterable<readonly Tick[]>;
}

export interface Instrument {
  /** Ours and the provider's code, for example `EUR_USD`. */
  readonly symbol: string;
  readonly description: string;
  /** Digits after the decimal point, for display. */
  readonly pricePrecision: number;
}

/** One observed price, as its source sent it; what was not sent is null. */
export interface Tick {
  readonly symbol: string;
  /** The source's clock: ISO 8601 in UTC with up to six decimals, for example `2026-01-01T00:00:00.123456Z`. */
  readonly observedAt: string;
  /** The source's trade id or sequence, 0 when it has none; orders ticks of equal time. */
  readonly seq: number;
  readonly bid: number | null;
  readonly ask: number | null;
  /** Price of a trade, and its size. */
  readonly last: number | null;
  readonly size: number | null;
}

export interface TickRequest {
  readonly symbols: readonly string[];
  /** Per symbol, the newest `observedAt` that is stored already; a source that can, goes on from there. */
  readonly storedUntil: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
  /** Told what happens on the wire, for coverage, counts and the log. */
  readonly report: (event: SourceEvent) => void;
}

export type SourceEvent =
  /**
   * The stream stands: from now on silence means that nothing happened. A source that can catch up
   * says since when (UTC) it will have brought everything.
   */
  | { readonly kind: 'connected'; readonly coveredFrom?: string }
  /** Something came, a heartbeat or a price: the stream was alive until now. */
  | { readonly kind: 'alive' }
  /** The stream is gone; what happens until the next `connected` is a gap. */
  | { readonly kind: 'disconnected'; readonly reason: string; readonly retryInMs: number }
  /** Something that is no tick: kept aside with its reason, never stored as a price. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/** A source cannot go on. The message is one clear line for the operator, without secrets. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
