/**
 * What Kraken's spot markets say, by WebSocket v2 and REST. Read in "Trades", "Ticker (Level 1)", "Status",
 * "Heartbeat" and "Ping" of the Spot WebSocket v2 reference, "Get Recent Trades" and "Get Tradable Asset Pairs" of
 * the Spot REST reference, docs.kraken.com, on 2026-11-28.
 */
import { z } from 'zod';
import { type InstrumentList, readInstrumentList } from '../../instruments.ts';
import { parseExactly } from '../../json.ts';
import { type Fault, reject } from '../../rejection.ts';
import type { Said } from '../../talk.ts';
import { cut, oneLine, quote } from '../../text.ts';
import { fromEpochMilliseconds, fromEpochSeconds, toMicroseconds } from '../../time.ts';
import { isRejection, readQuote, readTrade, type Trade } from '../../trade.ts';

/** Kraken writes `BTC/USD`, which is no symbol of ours, and without the slash it could be another's. */
export const toSymbol = (pair: string): string =>
  /\.KRAKEN$/.test(pair) ? pair : `${pair.replace('/', '-')}.KRAKEN`;
export const toPair = (symbol: string): string => symbol.replace(/\.KRAKEN$/, '').replace('-', '/');

/** Numbers are text here, as `parseExactly` leaves them. */
const digits = z.string().regex(/^\d{1,30}$/, 'is not a whole number');
const tradeSchema = z.object({
  channel: z.literal('trade'),
  data: z.array(
    z.object({
      symbol: z.string(),
      price: z.string(),
      qty: z.string(),
      trade_id: digits,
      timestamp: z.string(),
    }),
  ),
});
const tickerSchema = z.object({
  channel: z.literal('ticker'),
  data: z.array(
    z.object({
      symbol: z.string(),
      bid: z.string().nullish(),
      ask: z.string().nullish(),
      timestamp: z.string().nullish(),
    }),
  ),
});
const statusSchema = z.object({
  channel: z.literal('status'),
  data: z.array(z.object({ system: z.string() })),
});
const replySchema = z.object({
  method: z.literal('subscribe'),
  success: z.boolean(),
  error: z.string().default(''),
  symbol: z.string().optional(),
  result: z.object({ channel: z.string(), symbol: z.string().optional() }).optional(),
});
const pongSchema = z.object({ method: z.literal('pong'), time_in: z.string().optional() });
const named = z.union([z.object({ channel: z.string() }), z.object({ method: z.string() })]);

export interface Hearing {
  /** Ours, of what was asked for. */
  readonly symbols: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When the message came, if that is known. */
  readonly cameAt: number | null;
  /** Takes the time of a pong, and has the one before: by then all that came before it is here. */
  readonly pongBefore: (time: string) => string | null;
}

export function readMessage(text: string, hearing: Hearing): Said[] {
  const json = parseExactly(text);
  const refuse = (fault: Fault): Said[] => [
    { kind: 'rejected', rejection: reject(null, fault, text) },
  ];
  const message = named.safeParse(json);
  if (!message.success) {
    const detail = 'the message is not a JSON object with a channel or a method';
    return refuse({ reason: 'malformed', detail });
  }
  const name = 'channel' in message.data ? message.data.channel : message.data.method;
  const read = readKnown(name, json);
  if (read === undefined) return [{ kind: 'alive' }];
  if (!read.success) {
    const [issue] = read.error.issues;
    const detail = oneLine(`a ${name} with ${issue?.path.join('.')}: ${issue?.message}`, 200);
    return refuse({ reason: 'malformed', detail });
  }
  const { data } = read;
  if ('method' in data) return data.method === 'pong' ? pong(data, hearing) : reply(data, hearing);
  switch (data.channel) {
    case 'status': {
      const isShut = data.data.some(({ system }) => system === 'maintenance');
      return [isShut ? { kind: 'fault', words: 'maintenance' } : { kind: 'alive' }];
    }
    case 'trade': {
      const trades = data.data.map(
        ({ symbol: pair, trade_id: id, timestamp, price, qty: size }) => {
          const symbol = toSymbol(pair);
          if (!hearing.symbols.has(symbol)) return unasked(pair, text);
          const time = toMicroseconds(timestamp);
          return readTrade({ symbol, id, time, price, size }, text, hearing.now);
        },
      );
      return [{ kind: 'trades', trades: trades.sort(byId) }];
    }
    case 'ticker':
      return data.data.map(each => {
        const read = readTicker(each, text, hearing);
        return read === null ? { kind: 'alive' } : { kind: 'quote', quote: read };
      });
  }
}

function readKnown(name: string, json: unknown) {
  switch (name) {
    case 'trade':
      return tradeSchema.safeParse(json);
    case 'ticker':
      return tickerSchema.safeParse(json);
    case 'status':
      return statusSchema.safeParse(json);
    case 'subscribe':
      return replySchema.safeParse(json);
    case 'pong':
      return pongSchema.safeParse(json);
    default:
      return undefined;
  }
}

/** Those that are not understood keep their place. */
function byId(one: Trade | { reason: string }, other: Trade | { reason: string }): number {
  if ('reason' in one || 'reason' in other || one.symbol !== other.symbol) return 0;
  return one.mark.id < other.mark.id ? -1 : 1;
}

const unasked = (pair: string, text: string) =>
  reject(
    null,
    { reason: 'wrong_symbol', detail: `a message of ${quote(pair)} came, which was not asked for` },
    text,
  );

function readTicker(
  { symbol: pair, bid, ask, timestamp }: z.infer<typeof tickerSchema>['data'][number],
  text: string,
  { symbols, now, cameAt }: Hearing,
) {
  const symbol = toSymbol(pair);
  if (!symbols.has(symbol)) return unasked(pair, text);
  // Where the ticker has no time, that of its arrival is all there is.
  if (!timestamp && cameAt === null) return null;
  const time = timestamp ? toMicroseconds(timestamp) : fromEpochMilliseconds(cameAt ?? now);
  const sides = { bid: priceOrNone(bid), ask: priceOrNone(ask) };
  return readQuote({ symbol, time, ...sides }, text, now);
}

/** 0 stands for nobody who is there. */
const priceOrNone = (text: string | null | undefined): string | null =>
  text === null || text === undefined || Number(text) === 0 ? null : text;

function reply(
  { success, error, symbol: named, result }: z.infer<typeof replySchema>,
  { symbols }: Hearing,
): Said[] {
  if (success) {
    const pair = result?.symbol;
    if (result?.channel !== 'trade' || pair === undefined) return [{ kind: 'alive' }];
    return [{ kind: 'subscribed', symbol: toSymbol(pair) }];
  }
  const words = oneLine(error, 200);
  const symbol = [...symbols].find(each =>
    named === undefined ? error.split(/\s+/).includes(toPair(each)) : toPair(each) === named,
  );
  return symbol === undefined
    ? [{ kind: 'fault', words }]
    : [{ kind: 'refused', symbol, words, all: false }];
}

function pong(
  { time_in: at }: z.infer<typeof pongSchema>,
  { symbols, pongBefore }: Hearing,
): Said[] {
  const time = at === undefined ? null : toMicroseconds(at);
  const before = time === null ? null : pongBefore(time);
  if (before === null) return [{ kind: 'alive' }];
  return [...symbols].map(symbol => ({ kind: 'beat', symbol, time: before, lastId: null }));
}

const answerSchema = z.object({
  error: z.array(z.string()),
  result: z.record(z.string(), z.unknown()).default({}),
});

/** What a REST answer holds, or why it holds nothing; null when it is no answer of Kraken's. */
export function readAnswer(
  json: unknown,
): { result: Record<string, unknown>; fault: string } | null {
  const read = answerSchema.safeParse(json);
  if (!read.success) return null;
  return { result: read.data.result, fault: cut(read.data.error.join(', '), 200) };
}

/** The old names, which the list still has. */
const RENAMED = new Map([
  ['XBT', 'BTC'],
  ['XDG', 'DOGE'],
]);

const pairSchema = z.object({
  altname: z.string(),
  wsname: z.string().regex(/^[^/]+\/[^/]+$/, 'is not two currencies'),
  pair_decimals: z.string().regex(/^\d{1,2}$/),
  status: z.string().default('online'),
});

const renamed = (wsname: string) =>
  wsname
    .split('/')
    .map(part => RENAMED.get(part) ?? part)
    .join('/');

const instrumentSchema = pairSchema
  .transform(({ wsname, ...rest }) => ({ ...rest, name: renamed(wsname) }))
  .refine(({ status }) => status !== 'delisted' && status !== 'maintenance', 'it is not traded now')
  .transform(({ name, pair_decimals: decimals }) => ({
    symbol: toSymbol(name),
    description: name,
    pricePrecision: Number(decimals),
  }));

/** With `pairs`, how the REST interface calls each symbol. */
export function readPairs(
  result: Record<string, unknown>,
): InstrumentList & { readonly pairs: ReadonlyMap<string, string> } {
  const entries = Object.values(result);
  const pairs = entries.flatMap((entry): [string, string][] => {
    const read = pairSchema.safeParse(entry);
    return read.success ? [[toSymbol(renamed(read.data.wsname)), read.data.altname]] : [];
  });
  const named = entries.map(entry =>
    typeof entry === 'object' && entry !== null && 'wsname' in entry
      ? { ...entry, symbol: toSymbol(renamed(String(entry.wsname))) }
      : entry,
  );
  return { ...readInstrumentList(named, instrumentSchema), pairs: new Map(pairs) };
}

const rowSchema = z
  .tuple([z.string(), z.string(), z.string()])
  .rest(z.unknown())
  .transform(row => ({ price: row[0], size: row[1], time: row[2], id: row[6] }))
  .pipe(z.object({ price: z.string(), size: z.string(), time: z.string(), id: digits }));

/** In the order of their ids; null when these are no trades. The key of the pair may be another than was asked. */
export function readTrades(
  result: Record<string, unknown>,
  symbol: string,
  now: number,
): Trade[] | null {
  const rows = Object.entries(result).find(([key]) => key !== 'last')?.[1] ?? [];
  const read = z.array(rowSchema).safeParse(rows);
  if (!read.success) return null;
  const trades = read.data.map(({ time, ...rest }) =>
    readTrade({ symbol, time: fromEpochSeconds(time), ...rest }, '', now),
  );
  if (trades.some(isRejection)) return null;
  return (trades as Trade[]).sort(byId);
}
