/**
 * What Coinbase Exchange says. Read in "Exchange WebSocket Channels", "Exchange WebSocket Errors", "Get product
 * trades" and "Get all known trading pairs" of docs.cdp.coinbase.com/exchange on 2026-11-28.
 */
import { z } from 'zod';
import { type InstrumentList, precisionOf, readInstrumentList } from '../../instruments.ts';
import { parseExactly } from '../../json.ts';
import { type Fault, reject } from '../../rejection.ts';
import type { Said } from '../../talk.ts';
import { oneLine, quote } from '../../text.ts';
import { toMicroseconds } from '../../time.ts';
import { isRejection, readQuote, readTrade, type Trade } from '../../trade.ts';
import type { Trail } from '../../trail.ts';

/** Numbers are text here, as `parseExactly` leaves them. */
const digits = z.string().regex(/^\d{1,30}$/, 'is not a whole number');
const tradeSchema = z.object({
  trade_id: digits,
  time: z.string(),
  price: z.string(),
  size: z.string(),
});
const of = { product_id: z.string() };
const matchSchema = tradeSchema.extend(of);
const tickerSchema = z.object({
  ...of,
  sequence: digits,
  time: z.string().default(''),
  trade_id: digits.optional(),
  best_bid: z.string().default(''),
  best_ask: z.string().default(''),
});
const heartbeatSchema = z.object({ ...of, time: z.string(), last_trade_id: digits.default('0') });
const errorSchema = z.object({ message: z.string().default(''), reason: z.string().default('') });
const typed = z.object({ type: z.string() });

/** @param now Milliseconds since 1970, to refuse prices from the future. */
export function readMessage(
  text: string,
  { symbols, trail, now }: { symbols: ReadonlySet<string>; trail: Trail; now: number },
): Said[] {
  const json = parseExactly(text);
  const refuse = (fault: Fault, symbol: string | null = null): Said[] => [
    { kind: 'rejected', rejection: reject(symbol, fault, text) },
  ];
  const message = typed.safeParse(json);
  if (!message.success) {
    return refuse({ reason: 'malformed', detail: 'the message is not a JSON object with a type' });
  }
  const { type } = message.data;
  if (type === 'subscriptions') return [{ kind: 'subscribed' }];
  if (type === 'error') return readError(json, symbols);

  const read = readKnown(type, json);
  if (read === undefined) return [{ kind: 'alive' }];
  if (!read.success) {
    const [issue] = read.error.issues;
    const detail = oneLine(`a ${type} with ${issue?.path.join('.')}: ${issue?.message}`, 200);
    return refuse({ reason: 'malformed', detail });
  }
  const { product_id: symbol } = read.data;
  if (!symbols.has(symbol)) {
    const detail = `a ${type} of ${quote(symbol)} came, which was not asked for`;
    return refuse({ reason: 'wrong_symbol', detail });
  }
  if ('price' in read.data) {
    const { trade_id: id, price, size } = read.data;
    const time = toMicroseconds(read.data.time);
    return [{ kind: 'trades', trades: [readTrade({ symbol, id, time, price, size }, text, now)] }];
  }
  const time = toMicroseconds(read.data.time);
  if ('sequence' in read.data) {
    const { trade_id: tradeId, best_bid: bid, best_ask: ask } = read.data;
    const first = trail.first(symbol);
    // Before the first trade of a product there is neither. And the first ticker that comes has the book of
    // now under the time of the last trade: what stood in the book at that time is not known.
    if (tradeId === undefined || (bid === '' && ask === '')) return [{ kind: 'alive' }];
    if (first === undefined || BigInt(tradeId) <= first.id) return [{ kind: 'alive' }];
    const told = { symbol, time, bid: bid || null, ask: ask || null };
    return [{ kind: 'quote', quote: readQuote(told, text, now) }];
  }
  if (time === null) return refuse({ reason: 'time_malformed', detail: 'the time of a heartbeat' });
  // It was 0 for years (preichenberger/go-coinbasepro #89), which says nothing.
  const { last_trade_id: last } = read.data;
  return [{ kind: 'beat', symbol, time, lastId: /^0+$/.test(last) ? null : BigInt(last) }];
}

function readKnown(type: string, json: unknown) {
  switch (type) {
    case 'match':
    case 'last_match':
      return matchSchema.safeParse(json);
    case 'ticker':
      return tickerSchema.safeParse(json);
    case 'heartbeat':
      return heartbeatSchema.safeParse(json);
    default:
      return undefined;
  }
}

/** A product that it does not know ends the whole subscription (coinbase/coinbase-pro-node #174). */
function readError(json: unknown, symbols: ReadonlySet<string>): Said[] {
  const { message, reason } = errorSchema.catch({ message: '', reason: '' }).parse(json);
  const words = oneLine([message, reason].filter(text => text !== '').join(': '), 200);
  const [, named = ''] = /^\s*(\S+) is not a valid product/.exec(reason) ?? [];
  return symbols.has(named)
    ? [{ kind: 'refused', symbol: named, words, all: true }]
    : [{ kind: 'fault', words }];
}

const productSchema = z
  .object({
    id: z.string(),
    display_name: z.string().optional(),
    quote_increment: z.string().regex(/^\d+(\.\d+)?$/, 'is not a number'),
    status: z.string(),
    trading_disabled: z.boolean().optional(),
  })
  .refine(({ status }) => status === 'online', 'it is not traded now')
  .refine(({ trading_disabled: isDisabled }) => isDisabled !== true, 'it is not traded now')
  .transform(({ id, display_name: name = id, quote_increment: increment }) => ({
    symbol: id,
    description: name,
    pricePrecision: precisionOf(increment),
  }));

/** @returns null when this is not a list of products. */
export function readProducts(json: unknown): InstrumentList | null {
  return Array.isArray(json) ? readInstrumentList(json, productSchema) : null;
}

/** @returns null when this is not a list of trades. */
export function readTrades(json: unknown, symbol: string, now: number): Trade[] | null {
  const read = z.array(tradeSchema).safeParse(json);
  if (!read.success) return null;
  const trades = read.data.map(({ trade_id: id, time, price, size }) =>
    readTrade({ symbol, id, time: toMicroseconds(time), price, size }, '', now),
  );
  if (trades.some(isRejection)) return null;
  return (trades as Trade[]).sort((a, b) => (a.mark.id < b.mark.id ? -1 : 1));
}
