import type { Config } from '../../db/runtime/config.ts';
import type { Network } from './network.ts';
import type { Rejection } from './rejection.ts';

/**
 * What a source of prices fulfils. A source knows its provider's wire and nothing of the database;
 * it reconnects by itself and ends only when it is told to, or when going on is pointless.
 */
export interface Source {
  /** The name under which `feed.sources` knows it, for example `oanda`. */
  readonly name: string;
  readonly description: string;
  /** Made-up prices. The label follows them from here to the screen. */
  readonly isSimulated: boolean;
  /** How it listens, for one that has several ways. */
  readonly mode?: string;
  /**
   * What the source offers for these symbols; without any, its default watchlist. One that it does not offer, or
   * lists so that it cannot be used, is left out.
   * @param onSkipped Is told of those, and of what cannot be used in the provider's list.
   * @param onAlone Is told for how many milliseconds the provider wants to be left alone (Retry-After), and its answer,
   * before that is waited for.
   * @throws {SourceError} when it offers none of them.
   */
  instruments(
    symbols: readonly string[],
    signal?: AbortSignal,
    onSkipped?: (skipped: readonly Skipped[]) => void,
    onAlone?: OnAlone,
  ): Promise<readonly Instrument[]>;
  /**
   * Everything that the source says, in the order in which it is true.
   * @throws {SourceError} when trying again cannot help, such as a refused token.
   */
  follow(request: FollowRequest): AsyncIterable<Item>;
  /**
   * Asks the provider for what was missed. Parts that are covered stay so, wherever it ends: what is
   * left is asked for again, later. It should give the newest part first, and `impossible` when the
   * provider has it no more. An error means: try again later. Absent: the provider has no past.
   */
  repair?(gap: Gap, request: RepairRequest): AsyncIterable<RepairItem>;
}

export type OnAlone = (milliseconds: number, reason: string) => void;

/** An entry of a provider's list that cannot be used, and why. */
export interface Skipped {
  /** What it calls itself, shortened and quoted. */
  readonly name: string;
  readonly why: string;
}

export interface Instrument {
  /** Ours and the provider's code, for example `EUR_USD`. */
  readonly symbol: string;
  readonly description: string;
  /** Digits after the decimal point, for display. */
  readonly pricePrecision: number;
  /** When it is traded, a row of `feed.calendars`; absent: not known. */
  readonly calendar?: string;
}

/** One observed price, as its source sent it; what was not sent is null. */
export interface Tick {
  readonly symbol: string;
  /** The source's clock: ISO 8601 in UTC with up to six decimals, for example `2026-01-01T00:00:00.123456Z`. */
  readonly observedAt: string;
  /**
   * The source's trade id or sequence, exactly: a bigint from 2^53 on; orders ticks of equal time. Null
   * when it has none: then a tick is the same as another if time and content are the same.
   */
  readonly seq: number | bigint | null;
  /** Of a tick without `seq`: the how manieth of one time and content it is, from 1 on; absent: the first. */
  readonly copy?: number;
  readonly bid: number | null;
  readonly ask: number | null;
  /** Price of a trade, and its size. */
  readonly last: number | null;
  readonly size: number | null;
}

export interface FollowRequest {
  readonly signal: AbortSignal;
  /**
   * What is to be followed now; ask again when its `changed` aborts. There may be no symbol at all. Who
   * comes or goes must leave no gap for those who stay.
   */
  readonly wanted: () => Wanted;
}

export interface Wanted {
  readonly symbols: readonly string[];
  /** Per symbol, until when (included) everything is stored; absent: nothing is. A source that can, goes on from there. */
  readonly storedUntil: ReadonlyMap<string, string>;
  readonly changed: AbortSignal;
}

/** Times are in UTC, written as those of ticks are. */
export type Item =
  /** In the order in which they came, as many as arrived together. */
  | { readonly kind: 'ticks'; readonly ticks: readonly Tick[] }
  /**
   * Everything that happened to these symbols from then until then, both included, was said before
   * this. The next stretch of a symbol begins where the last one ended as long as nothing is missed.
   */
  | Covered
  /** Something was missed after the first and before the second time, for example by an id that was skipped. */
  | {
      readonly kind: 'missed';
      readonly symbols: readonly string[];
      readonly from: string;
      readonly to: string;
      readonly cause: string;
    }
  /** Something that is no tick: kept aside with its reason, never stored as a price. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'state'; readonly state: 'connected' }
  /** The connection is gone: what happens until the next stretch begins is a gap, for this reason. */
  | {
      readonly kind: 'state';
      readonly state: 'disconnected';
      readonly reason: string;
      readonly retryInMs: number;
      /** The provider itself asked for that, by Retry-After or by refusing us: who is started anew waits too. */
      readonly isAsked?: boolean;
    };

export interface Covered {
  readonly kind: 'covered';
  readonly symbols: readonly string[];
  readonly from: string;
  readonly to: string;
}

/** What a symbol's source is asked for again. */
export interface Gap {
  readonly symbol: string;
  /** UTC; what was stored at these two times is stored. */
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  /** The stored tick nearest to it. */
  readonly before: TickKey | null;
  /** The stored tick with an id that is nearest to it, the last of its moment, for providers that are asked by id. */
  readonly after: TickKey | null;
}

export interface TickKey {
  readonly observedAt: string;
  readonly seq: Tick['seq'];
}

export interface RepairRequest {
  readonly signal: AbortSignal;
  /** How often the provider may be asked; then the source ends, and is called again later. */
  readonly budget: number;
}

/**
 * What proves that a time is whole: `exact`, by ids without a hole; `time_span`, the provider was asked
 * for all of it; `candles`, only its candles are known.
 */
export type Grade = 'exact' | 'time_span' | 'candles';

export type RepairItem =
  | Extract<Item, { kind: 'ticks' | 'rejected' }>
  /** The provider has no ticks of then: they are reconstructed of these, as `feed.reconstruct_ticks` says. */
  | {
      readonly kind: 'candles';
      /** A width that divides a day; the candles lie on its grid. */
      readonly widthSeconds: number;
      /** In the order of time, each once. */
      readonly candles: readonly ProviderCandle[];
    }
  /** As in {@link Covered}, of the gap's symbol. */
  | { readonly kind: 'covered'; readonly from: string; readonly to: string; readonly grade: Grade }
  /** What is left of the gap will never be known. */
  | { readonly kind: 'impossible'; readonly reason: string };

/** A candle that is complete, as the provider has it. */
export interface ProviderCandle {
  /** When it begins, in UTC, written as times of ticks are. */
  readonly from: string;
  /** Null: there was no price of that side. */
  readonly bid: Prices | null;
  readonly ask: Prices | null;
}

export interface Prices {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

/** A source in the list of `sources.ts`, before it is told its settings. */
export interface SourceEntry {
  readonly name: string;
  /** Command-line options of its own. */
  readonly options?: readonly SourceOption[];
  /**
   * @param outside For the source to hand on to what it asks and listens with.
   * @throws {SourceError} when the source needs settings that are absent.
   */
  create(config: Config, options: Readonly<Record<string, unknown>>, outside?: Outside): Source;
}

/** What a source has around it when it is not alone with the provider. */
export interface Outside {
  readonly network?: Network;
  /** Its own timings of these names, in milliseconds. */
  readonly timings?: Readonly<Record<string, number>>;
}

export interface SourceOption {
  /** In commander's notation, for example `--history <hours>`. */
  readonly flags: string;
  readonly description: string;
  readonly default: unknown;
  /** As `readNumber` of db/runtime/arguments.ts makes it. */
  readonly parse: (text: string) => unknown;
}

/** A source cannot go on. The message is one clear line for the operator, without secrets. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
