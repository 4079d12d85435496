import { Hiccup } from './connection.ts';
import { type Rejection, reject } from './rejection.ts';
import type { Item, Tick } from './source.ts';
import { isRejection, type Trade, toItems } from './trade.ts';
import { createTrail, type Trail } from './trail.ts';
import type { Heard, Talk } from './websocket.ts';

/** What one message of an exchange means, whatever its wire looks like. */
export type Said =
  /** In the order in which they happened. */
  | { readonly kind: 'trades'; readonly trades: readonly (Trade | Rejection)[] }
  | { readonly kind: 'quote'; readonly quote: Tick | Rejection }
  /** The provider lives at a time of its clock; see `Trail.beat`. */
  | {
      readonly kind: 'beat';
      readonly symbol: string;
      readonly time: string;
      readonly lastId: bigint | null;
    }
  /** The subscription of a symbol was taken, or without one, the whole. */
  | { readonly kind: 'subscribed'; readonly symbol?: string }
  /** A symbol is not taken, in the provider's words. `all`: the others of the request are not either. */
  | {
      readonly kind: 'refused';
      readonly symbol: string;
      readonly words: string;
      readonly all: boolean;
    }
  /** The connection is of no use, in the provider's words. */
  | { readonly kind: 'fault'; readonly words: string }
  /** The provider will end the connection soon. */
  | { readonly kind: 'ending' }
  /** A sign of life that says nothing. */
  | { readonly kind: 'alive' }
  /** A message that cannot be understood. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

export interface TalkOptions {
  readonly url: string;
  readonly greeting: readonly string[];
  readonly ping?: string;
  /** The provider's symbols. */
  readonly symbols: readonly string[];
  /** @param cameAt See `Talk.hear`. */
  readonly read: (text: string, trail: Trail, cameAt: number | null) => readonly Said[];
}

/** Heartbeats that tell of trades which do not come: this often in a row, and the subscription is dead. */
const MOST_LOSSES = 3;

/** The conversation with an exchange whose trades have ids that grow by one. */
export function createTalk({ symbols, read, ...rest }: TalkOptions): Talk {
  const trail = createTrail();
  const awaited = new Set(symbols);
  const refused = new Set<string>();

  function hear(text: string, cameAt: number | null): Heard {
    const all = read(text, trail, cameAt).map(said => judge(said, text));
    return {
      items: all.flatMap(({ items }) => items),
      sign: all.some(({ sign }) => sign === 'market')
        ? 'market'
        : all.some(({ sign }) => sign === 'beat')
          ? 'beat'
          : 'noise',
      refused: all.flatMap(each => each.refused ?? []),
      isEnding: all.some(({ isEnding }) => isEnding === true),
      fault: all.find(({ fault }) => fault !== undefined)?.fault,
    };
  }

  function judge(said: Said, text: string): Heard {
    switch (said.kind) {
      case 'trades':
        return { items: tellTrades(said.trades), sign: 'market' };
      case 'quote':
        return { items: toItems([said.quote]), sign: 'market' };
      case 'beat': {
        const items = trail.beat(said.symbol, said.time, said.lastId);
        const isLost = trail.losses(said.symbol) >= MOST_LOSSES;
        const words = `heartbeats tell of trades of ${said.symbol} that do not come`;
        return { items, sign: 'beat', fault: isLost ? new Hiccup(words) : undefined };
      }
      case 'subscribed':
        if (said.symbol === undefined) awaited.clear();
        else awaited.delete(said.symbol);
        return { items: [], sign: 'beat' };
      case 'refused': {
        if (refused.has(said.symbol)) return { items: [], sign: 'beat' };
        awaited.delete(said.symbol);
        refused.add(said.symbol);
        const detail = `${said.symbol} is not followed, the provider does not take it: ${said.words}`;
        const rejection = reject(said.symbol, { reason: 'unknown_instrument', detail }, text);
        const isUseless = said.all || refused.size === symbols.length;
        return {
          items: [{ kind: 'rejected', rejection }],
          sign: 'beat',
          refused: [said.symbol],
          fault: isUseless
            ? new Hiccup(`the subscription was not taken: ${said.words}`)
            : undefined,
        };
      }
      case 'fault':
        return { items: [], sign: 'beat', fault: new Hiccup(`the other side says: ${said.words}`) };
      case 'ending':
        return { items: [], sign: 'beat', isEnding: true };
      case 'alive':
        return { items: [], sign: 'beat' };
      case 'rejected':
        return { items: [{ kind: 'rejected', rejection: said.rejection }], sign: 'noise' };
    }
  }

  /** The ticks as one group, and then what their ids say. */
  function tellTrades(trades: readonly (Trade | Rejection)[]): Item[] {
    const told = toItems(trades.map(each => (isRejection(each) ? each : each.tick)));
    const read = trades.flatMap(each => (isRejection(each) ? [] : [each]));
    return [...told, ...read.flatMap(({ symbol, mark }) => trail.trade(symbol, mark))];
  }

  return { ...rest, trail, isReady: () => awaited.size === 0, hear };
}
