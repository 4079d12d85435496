import { z } from 'zod';
import { type InstrumentList, readInstrumentList } from '../../instruments.ts';
import type { Line } from '../../lines.ts';
import type { Rejection } from '../../rejection.ts';
import { type Fault, reject } from '../../rejection.ts';
import type { Instrument, Prices, ProviderCandle, Tick } from '../../source.ts';
import { quote, toNumber } from '../../text.ts';
import { checkTick } from '../../tick.ts';
import { toMicroseconds } from '../../time.ts';

/** What one line of OANDA's price stream means to us. */
export type Message =
  | { readonly kind: 'tick'; readonly tick: Tick }
  | { readonly kind: 'heartbeat' }
  /** A type we do not know: a sign of life, nothing more. */
  | { readonly kind: 'unknown' }
  /** `isPrice`: it was a price by its form, but must not become a tick. */
  | { readonly kind: 'rejected'; readonly rejection: Rejection; readonly isPrice: boolean };

const ladder = z.array(z.object({ price: z.string() }));

const priceSchema = z.object({
  instrument: z.string(),
  time: z.string(),
  bids: ladder,
  asks: ladder,
  tradeable: z.boolean().optional(),
  /** Deprecated by OANDA in favour of `tradeable`. */
  status: z.string().optional(),
});

const messageSchema = z.object({ type: z.string() });

const listSchema = z.object({ instruments: z.array(z.unknown()) });

/**
 * Of what OANDA calls the type or, of a CFD, the class of what it follows. OANDA's API tells of no hours (read in
 * "Primitives Definitions" and "Pricing Definitions" of developer.oanda.com/rest-live-v20 on 2026-11-30): `cfd` is what is assumed.
 */
const CALENDARS: Readonly<Record<string, string>> = {
  CURRENCY: 'fx',
  METAL: 'metals',
  INDEX: 'cfd',
  COMMODITY: 'cfd',
  BOND: 'cfd',
};

const instrumentSchema = z
  .object({
    name: z.string(),
    displayName: z.string(),
    displayPrecision: z.int().min(0),
    type: z.string().optional(),
    tags: z.array(z.object({ type: z.string(), name: z.string() })).catch([]),
  })
  .transform(({ name, displayName, displayPrecision, type = '', tags }): Instrument => {
    const kind = type === 'CFD' ? (tags.find(tag => tag.type === 'ASSET_CLASS')?.name ?? '') : type;
    const calendar = Object.hasOwn(CALENDARS, kind) ? CALENDARS[kind] : undefined;
    return {
      symbol: name,
      description: displayName,
      pricePrecision: displayPrecision,
      ...(calendar !== undefined && { calendar }),
    };
  });

const TOO_LONG: Fault = { reason: 'line_too_long', detail: 'the line is longer than 64 KB' };
const NOT_JSON: Fault = {
  reason: 'malformed',
  detail: 'the line is not a JSON object with a type',
};
const NO_LADDER: Fault = { reason: 'no_price', detail: 'both bids and asks are empty' };

/** @param now milliseconds since 1970, to refuse prices from the future. */
export function readMessage(line: Line, symbols: ReadonlySet<string>, now: number): Message {
  const refuse = (fault: Fault): Message => ({
    kind: 'rejected',
    rejection: reject(null, fault, line.text),
    isPrice: false,
  });
  if (line.isTooLong) return refuse(TOO_LONG);
  const json = parseJson(line.text);
  const message = messageSchema.safeParse(json);
  if (!message.success) return refuse(NOT_JSON);
  if (message.data.type === 'HEARTBEAT') return { kind: 'heartbeat' };
  if (message.data.type !== 'PRICE') return { kind: 'unknown' };

  return readPrice(json, line.text, symbols, now);
}

/** As `readMessage`, of a price wherever it stands. */
function readPrice(
  json: unknown,
  text: string,
  symbols: ReadonlySet<string>,
  now: number,
): Message {
  const refuse = (fault: Fault, symbol: string | null = null, isPrice = false): Message => ({
    kind: 'rejected',
    rejection: reject(symbol, fault, text),
    isPrice,
  });
  const price = priceSchema.safeParse(json);
  if (!price.success) return refuse(describeIssue(price.error));
  const symbol = symbols.has(price.data.instrument) ? price.data.instrument : null;
  const tick = toTick(price.data, symbol);
  if ('reason' in tick) return refuse(tick, symbol, true);
  const fault = checkTick(tick, { now });
  return fault === null ? { kind: 'tick', tick } : refuse(fault, symbol, true);
}

const pricingSchema = z.object({ prices: z.array(z.unknown()), time: z.string().optional() });

/** What the answer to a poll says, and what the next one asks for prices since. */
export interface Pricing {
  /** As text, too: what OANDA says again is the same. */
  readonly messages: readonly { readonly text: string; readonly message: Message }[];
  readonly since: string | undefined;
}

/** @returns null when this is not OANDA's list of prices. */
export function readPricing(
  json: unknown,
  symbols: ReadonlySet<string>,
  now: number,
): Pricing | null {
  const reply = pricingSchema.safeParse(json);
  if (!reply.success) return null;
  const messages = reply.data.prices.map(price => {
    const text = JSON.stringify(price);
    return { text, message: readPrice(price, text, symbols, now) };
  });
  return { messages, since: reply.data.time };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeIssue(error: z.ZodError): Fault {
  const [issue] = error.issues;
  const field = issue?.path.join('.') ?? '';
  return { reason: 'malformed', detail: `a PRICE with ${field}: ${issue?.message ?? 'no fault'}` };
}

function toTick(price: z.infer<typeof priceSchema>, symbol: string | null): Tick | Fault {
  if (symbol === null) {
    const detail = `a price of ${quote(price.instrument)} came, which was not asked for`;
    return { reason: 'wrong_symbol', detail };
  }
  if (!(price.tradeable ?? (price.status ?? 'tradeable') === 'tradeable')) {
    return {
      reason: 'not_tradeable',
      detail: `${symbol} of ${quote(price.time)} is not tradeable: an old price, not a market`,
    };
  }
  const observedAt = toMicroseconds(price.time);
  if (observedAt === null) {
    return { reason: 'time_malformed', detail: `time ${quote(price.time)} is not RFC 3339` };
  }
  const [bid, ask] = [price.bids[0]?.price ?? null, price.asks[0]?.price ?? null];
  if (bid === null && ask === null) return NO_LADDER;
  for (const [name, text] of Object.entries({ bid, ask })) {
    if (text !== null && toNumber(text) === null) {
      return { reason: 'number_malformed', detail: `${name} ${quote(text)} is not a number` };
    }
  }
  return {
    symbol,
    observedAt,
    seq: nanosecondsBelowMicro(price.time),
    bid: bid === null ? null : toNumber(bid),
    ask: ask === null ? null : toNumber(ask),
    last: null,
    size: null,
  };
}

/**
 * The last three of nine decimals. OANDA sends no sequence, and its times are cut to microseconds:
 * these digits as `seq` keep the order and the identity of two prices of one microsecond.
 */
function nanosecondsBelowMicro(time: string): number {
  const digits = /\.\d{6}(\d{1,3})/.exec(time)?.[1] ?? '';
  return Number(digits.padEnd(3, '0'));
}

/** @returns null when this is not OANDA's list of instruments. */
export function readInstruments(json: unknown): InstrumentList | null {
  const reply = listSchema.safeParse(json);
  if (!reply.success) return null;
  const list = readInstrumentList(reply.data.instruments, instrumentSchema);
  return list.instruments.length === 0 && list.skipped.length > 0 ? null : list;
}

const priceText = z.string().transform((text, context): number => {
  const price = toNumber(text);
  if (price === null) context.addIssue({ code: 'custom', message: 'not a number' });
  return price ?? 0;
});

const pricesSchema = z
  .object({ o: priceText, h: priceText, l: priceText, c: priceText })
  .refine(({ o, h, l, c }) => h >= Math.max(o, l, c) && l <= Math.min(o, c))
  .transform(({ o, h, l, c }): Prices => ({ open: o, high: h, low: l, close: c }));

const candleListSchema = z.object({
  candles: z.array(
    z.object({
      time: z.string(),
      complete: z.boolean(),
      bid: pricesSchema.optional(),
      ask: pricesSchema.optional(),
    }),
  ),
});

/** What OANDA has of a time by candles. */
export interface CandleList {
  /** Those that are complete. */
  readonly candles: readonly ProviderCandle[];
  /** When the first one begins that is not; null: all are. */
  readonly forming: string | null;
}

/** @returns null when this is not OANDA's list of candles, each once and in the order of time. */
export function readCandles(json: unknown): CandleList | null {
  const reply = candleListSchema.safeParse(json);
  if (!reply.success) return null;
  const all = reply.data.candles.map(({ time, complete, bid = null, ask = null }) => ({
    candle: { from: toMicroseconds(time) ?? '', bid, ask },
    complete,
  }));
  const times = all.map(({ candle }) => candle.from);
  if (times.some((time, index) => time <= (times[index - 1] ?? ''))) return null;
  const end = all.findIndex(({ complete }) => !complete);
  const whole = end < 0 ? all : all.slice(0, end);
  return {
    candles: whole.map(({ candle }) => candle),
    forming: end < 0 ? null : (times[end] ?? null),
  };
}
