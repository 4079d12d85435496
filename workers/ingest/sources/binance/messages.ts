/**
 * What Binance's spot markets say. Read in "WebSocket Streams for Binance", "Market Data endpoints", "General
 * endpoints" and "Market Data Only URLs" of binance/binance-spot-api-docs on 2026-11-28.
 */
import { z } from 'zod';
import type { Hindsight } from '../../hindsight.ts';
import { type InstrumentList, precisionOf, readInstrumentList } from '../../instruments.ts';
import { parseExactly } from '../../json.ts';
import { type Fault, reject } from '../../rejection.ts';
import type { Said } from '../../talk.ts';
import { oneLine, quote } from '../../text.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { isRejection, readQuote, readTrade, type Trade } from '../../trade.ts';

/** Numbers are text here, as `parseExactly` leaves them. */
const digits = z.string().regex(/^\d{1,30}$/, 'is not a whole number');
const milliseconds = z.string().regex(/^\d{1,14}$/, 'is not a time in milliseconds');
const rowSchema = z.object({ a: digits, p: z.string(), q: z.string(), T: milliseconds });
const tradeSchema = rowSchema.extend({ s: z.string() });
const tickerSchema = z.object({ s: z.string(), u: digits, b: z.string(), a: z.string() });
const wrapped = z.object({ stream: z.string(), data: z.looseObject({}) });
/** Flat, as it is written down, or within `error`. */
const errorSchema = z.union([
  z.object({ msg: z.string() }),
  z.object({ error: z.object({ msg: z.string() }) }).transform(({ error }) => error),
]);

const timeOf = (text: string): string => fromEpochMilliseconds(Number(text));

export interface Hearing {
  readonly symbols: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the message came, if that is known. */
  readonly cameAt: number | null;
  /** Is the book newer at this update than it was said to be, whoever said it? */
  readonly isNewer: (symbol: string, update: bigint) => boolean;
  readonly hindsight: Hindsight;
}

export function readMessage(text: string, hearing: Hearing): Said[] {
  const json = parseExactly(text);
  const refuse = (fault: Fault, symbol: string | null = null): Said[] => [
    { kind: 'rejected', rejection: reject(symbol, fault, text) },
  ];
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse({ reason: 'malformed', detail: 'the message is not a JSON object' });
  }
  const error = errorSchema.safeParse(json);
  if (error.success) return [{ kind: 'fault', words: oneLine(error.data.msg, 200) }];
  if ('result' in json) return [{ kind: 'subscribed' }];
  const message = wrapped.safeParse(json);
  const event: object = message.success ? message.data.data : json;
  if ('e' in event && event.e === 'serverShutdown') return [{ kind: 'ending' }];
  const [, kind] = message.success ? message.data.stream.split('@') : [];
  if (kind !== 'aggTrade' && kind !== 'bookTicker') return [{ kind: 'alive' }];

  const read = kind === 'aggTrade' ? tradeSchema.safeParse(event) : tickerSchema.safeParse(event);
  if (!read.success) {
    const [issue] = read.error.issues;
    const detail = oneLine(`an ${kind} with ${issue?.path.join('.')}: ${issue?.message}`, 200);
    return refuse({ reason: 'malformed', detail });
  }
  const { s: symbol } = read.data;
  if (!hearing.symbols.has(symbol)) {
    const detail = `an ${kind} of ${quote(symbol)} came, which was not asked for`;
    return refuse({ reason: 'wrong_symbol', detail });
  }
  const { data } = read;
  if ('u' in data) {
    const { cameAt, isNewer, now } = hearing;
    // It has no time: that of its arrival is all there is.
    if (!isNewer(symbol, BigInt(data.u)) || cameAt === null) return [{ kind: 'alive' }];
    const time = fromEpochMilliseconds(cameAt);
    const told = { symbol, time, bid: sideOf(data.b), ask: sideOf(data.a) };
    return [{ kind: 'quote', quote: readQuote(told, text, now) }];
  }
  const told = { symbol, id: data.a, time: timeOf(data.T), price: data.p, size: data.q };
  const trade = readTrade(told, text, hearing.now);
  // What happened before a trade is here a while after it, whichever symbol it is of. A time that is refused, such
  // as one of the future, says nothing.
  const isTrade = !isRejection(trade) && !isRejection(trade.tick);
  const until = isTrade ? hearing.hindsight.at(Number(data.T)) : null;
  const beats: Said[] = (until === null ? [] : [...hearing.symbols]).map(each => ({
    kind: 'beat',
    symbol: each,
    time: fromEpochMilliseconds(until ?? 0),
    lastId: null,
  }));
  return [{ kind: 'trades', trades: [trade] }, ...beats];
}

/** 0 stands for nobody who is there. */
const sideOf = (text: string): string | null => (Number(text) === 0 ? null : text);

const SMALLEST_TICK = '0.00000001';

const symbolSchema = z
  .object({
    symbol: z.string(),
    status: z.string(),
    baseAsset: z.string(),
    quoteAsset: z.string(),
    filters: z.array(z.object({ filterType: z.string(), tickSize: z.string().optional() })),
  })
  .refine(({ status }) => status === 'TRADING', 'it is not traded now')
  .transform(({ symbol, baseAsset, quoteAsset, filters }) => ({
    symbol,
    description: `${baseAsset}/${quoteAsset}`,
    pricePrecision: precisionOf(
      filters.find(each => each.filterType === 'PRICE_FILTER')?.tickSize ?? SMALLEST_TICK,
    ),
  }));

/** @returns null when this is not a list of what is traded. */
export function readSymbols(json: unknown): InstrumentList | null {
  const read = z.object({ symbols: z.array(z.unknown()) }).safeParse(json);
  return read.success ? readInstrumentList(read.data.symbols, symbolSchema) : null;
}

/** In the order of their ids; null when these are no trades. */
export function readTrades(json: unknown, symbol: string, now: number): Trade[] | null {
  const read = z.array(rowSchema).safeParse(json);
  if (!read.success) return null;
  const trades = read.data.map(({ a: id, p: price, q: size, T: time }) =>
    readTrade({ symbol, id, time: timeOf(time), price, size }, '', now),
  );
  if (trades.some(isRejection)) return null;
  return (trades as Trade[]).sort((one, other) => (one.mark.id < other.mark.id ? -1 : 1));
}
