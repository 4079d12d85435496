/**
 * What Bybit's spot markets say, by WebSocket and REST v5. Read in "Connect", "Trade", "Orderbook", "Get Recent Public
 * Trades", "Get Instruments Info", "Rate Limit Rules" and "Error Codes" of bybit-exchange/docs on 2026-11-29.
 *
 * No page says what the ids of trades are. In recorded messages of spot markets from 2023 to 2026 they are digits
 * that grow by one per symbol, in the stream and in the list of recent trades alike.
 */
import { z } from 'zod';
import type { Hindsight } from '../../hindsight.ts';
import { type InstrumentList, precisionOf, readInstrumentList } from '../../instruments.ts';
import { parseExactly } from '../../json.ts';
import { type Fault, reject } from '../../rejection.ts';
import type { Said } from '../../talk.ts';
import { cut, oneLine, quote } from '../../text.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { isRejection, readQuote, readTrade, type Trade } from '../../trade.ts';

/** Bybit writes `BTCUSDT`, as others do. */
export const toSymbol = (name: string): string => (/\.BYBIT$/.test(name) ? name : `${name}.BYBIT`);
export const toName = (symbol: string): string => symbol.replace(/\.BYBIT$/, '');

/** Numbers are text here, as `parseExactly` leaves them. */
const digits = z.string().regex(/^\d{1,30}$/, 'is not a whole number');
const milliseconds = z.string().regex(/^\d{1,14}$/, 'is not a time in milliseconds');
const tradesSchema = z.object({
  data: z.array(
    z.object({ i: digits, T: milliseconds, s: z.string(), p: z.string(), v: z.string() }),
  ),
});
/** Price and size of the best one; none: nobody is there. */
const side = z.array(z.tuple([z.string(), z.string()]).rest(z.unknown()));
const bookSchema = z.object({
  type: z.string(),
  ts: milliseconds,
  cts: milliseconds.optional(),
  data: z.object({ s: z.string(), b: side, a: side, u: digits }),
});
const answerSchema = z.object({
  success: z.boolean(),
  op: z.string(),
  ret_msg: z.string().default(''),
});
const named = z.object({ topic: z.string() });

const timeOf = (text: string): string => fromEpochMilliseconds(Number(text));

export interface Hearing {
  /** Ours, of what was asked for. */
  readonly symbols: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Is this another update of the book than the last one? A book that does not change is said again and again. */
  readonly isOther: (symbol: string, update: string) => boolean;
  readonly hindsightOf: (symbol: string) => Hindsight;
}

export function readMessage(text: string, hearing: Hearing): Said[] {
  const json = parseExactly(text);
  const refuse = (fault: Fault): Said[] => [
    { kind: 'rejected', rejection: reject(null, fault, text) },
  ];
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse({ reason: 'malformed', detail: 'the message is not a JSON object' });
  }
  if ('success' in json) return readAnswer(json, hearing);
  const message = named.safeParse(json);
  const [kind] = message.success ? message.data.topic.split('.') : [];
  if (kind !== 'publicTrade' && kind !== 'orderbook') return [{ kind: 'alive' }];
  const read = kind === 'publicTrade' ? tradesSchema.safeParse(json) : bookSchema.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    const detail = oneLine(
      `a message of ${kind} with ${issue?.path.join('.')}: ${issue?.message}`,
      200,
    );
    return refuse({ reason: 'malformed', detail });
  }
  if ('ts' in read.data) return readBook(read.data, text, hearing);
  const trades = read.data.data.map(({ s: name, i: id, T, p: price, v: size }) => {
    const symbol = toSymbol(name);
    if (!hearing.symbols.has(symbol)) return unasked(name, text);
    return readTrade({ symbol, id, time: timeOf(T), price, size }, text, hearing.now);
  });
  return [{ kind: 'trades', trades }];
}

const unasked = (name: string, text: string) =>
  reject(
    null,
    { reason: 'wrong_symbol', detail: `a message of ${quote(name)} came, which was not asked for` },
    text,
  );

function readBook(
  { type, ts, cts, data }: z.infer<typeof bookSchema>,
  text: string,
  { symbols, now, isOther, hindsightOf }: Hearing,
): Said[] {
  const symbol = toSymbol(data.s);
  if (!symbols.has(symbol)) return [{ kind: 'rejected', rejection: unasked(data.s, text) }];
  // Its clock may be ahead; of what is still to come by ours nothing is known.
  const until = hindsightOf(symbol).at(Math.min(Number(ts), now));
  const beats: Said[] =
    until === null
      ? [{ kind: 'alive' }]
      : [{ kind: 'beat', symbol, time: fromEpochMilliseconds(until), lastId: null }];
  const [bid, ask] = [data.b[0]?.[0] ?? null, data.a[0]?.[0] ?? null];
  const isNew = type === 'snapshot' && isOther(symbol, data.u) && (bid !== null || ask !== null);
  if (!isNew) return beats;
  const told = { symbol, time: timeOf(cts ?? ts), bid, ask };
  return [{ kind: 'quote', quote: readQuote(told, text, now) }, ...beats];
}

/** A symbol that it does not have ends the request that it is in. */
function readAnswer(json: object, { symbols }: Hearing): Said[] {
  const read = answerSchema.safeParse(json);
  if (!read.success) return [{ kind: 'alive' }];
  const { success, op, ret_msg: message } = read.data;
  if (success) return [{ kind: op === 'subscribe' ? 'subscribed' : 'alive' }];
  const words = oneLine(message, 200);
  const [, name = ''] = /(?:publicTrade|orderbook\.1)\.([^\s\],]+)/.exec(message) ?? [];
  const symbol = toSymbol(name);
  return symbols.has(symbol)
    ? [{ kind: 'refused', symbol, words, all: true }]
    : [{ kind: 'fault', words }];
}

const resultSchema = z.object({
  retCode: z.string(),
  retMsg: z.string().default(''),
  result: z.object({ list: z.array(z.unknown()).default([]) }).catch({ list: [] }),
});

/** What a REST answer lists, or why it lists nothing; null when it is no answer of Bybit's. */
export function readList(
  json: unknown,
): { list: unknown[]; fault: string; isTooOften: boolean } | null {
  const read = resultSchema.safeParse(json);
  if (!read.success) return null;
  const { retCode: code, retMsg: message, result } = read.data;
  const fault = code === '0' ? '' : `${cut(code, 10)}, ${oneLine(message, 200)}`;
  return { list: result.list, fault, isTooOften: code === '10006' };
}

const instrumentSchema = z
  .object({
    symbol: z.string(),
    status: z.string(),
    baseCoin: z.string(),
    quoteCoin: z.string(),
    priceFilter: z.object({ tickSize: z.string().regex(/^\d+(\.\d+)?$/, 'is not a number') }),
  })
  .refine(({ status }) => status === 'Trading', 'it is not traded now')
  .transform(({ symbol, baseCoin, quoteCoin, priceFilter }) => ({
    symbol,
    description: `${baseCoin}/${quoteCoin}`,
    pricePrecision: precisionOf(priceFilter.tickSize),
  }));

export function readInstruments(list: readonly unknown[]): InstrumentList {
  const named = list.map(entry =>
    typeof entry === 'object' && entry !== null && 'symbol' in entry
      ? { ...entry, symbol: toSymbol(String(entry.symbol)) }
      : entry,
  );
  return readInstrumentList(named, instrumentSchema);
}

const rowSchema = z.object({
  execId: digits,
  price: z.string(),
  size: z.string(),
  time: milliseconds,
});

/** In the order of their ids; null when these are no trades. */
export function readTrades(list: unknown, symbol: string, now: number): Trade[] | null {
  const read = z.array(rowSchema).safeParse(list);
  if (!read.success) return null;
  const trades = read.data.map(({ execId: id, time, price, size }) =>
    readTrade({ symbol, id, time: timeOf(time), price, size }, '', now),
  );
  if (trades.some(isRejection)) return null;
  return (trades as Trade[]).sort((one, other) => (one.mark.id < other.mark.id ? -1 : 1));
}
