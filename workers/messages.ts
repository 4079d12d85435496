import { z } from 'zod';

/** The largest body of a message in bytes: SQS bills each 64 KB as one request. */
export const maxMessageBytes = 60_000;

const candleSchema = z
  .object({
    symbol: z.string().regex(/^[A-Z0-9][A-Z0-9._:-]{0,31}$/),
    timeframe: z
      .string()
      .regex(/^[1-9][0-9]{0,3}[smhd]$/)
      .describe('Width of the candle, such as 1m or 4h.'),
    side: z
      .enum(['bid', 'ask', 'mid', 'last'])
      .describe(
        'Which price: mid is (bid + ask) / 2 to 15 significant digits, last is the price of trades.',
      ),
    bucket: z.iso
      .datetime()
      .describe('Left edge, UTC; the candle covers [bucket, bucket + width).'),
    open: z.number(),
    high: z.number(),
    low: z.number(),
    close: z.number(),
    average: z.number().describe('sum / tick_count, to 15 significant digits.'),
    sum: z.number().describe("Sum of this side's prices, to 15 significant digits."),
    volume: z
      .number()
      .nullable()
      .describe('Sum of trade sizes, to 15 significant digits; null when no tick had one.'),
    tick_count: z.int().positive().describe('Ticks that have this side.'),
    is_closed: z
      .boolean()
      .describe('The bucket and its grace are over; a late tick may still raise the revision.'),
    revision: z
      .int()
      .positive()
      .describe('Grows with every change of this candle: keep the highest, ignore lower ones.'),
  })
  .describe('A full candle: it replaces what was known of its symbol, timeframe, side and bucket.');

/** The wire contract, version 1; `docs/message.schema.json` is made from it. */
export const messageSchema = z.object({
  version: z.literal(1),
  subscription: z.string(),
  sent_at: z.iso.datetime().describe('When it was handed to the queue, UTC.'),
  candles: z.array(candleSchema).min(1),
});

export type CandleDelta = z.infer<typeof candleSchema>;
export type Message = z.infer<typeof messageSchema>;

/** A message body that is not ours, or of a version we do not know. */
export class MessageError extends Error {
  override readonly name = 'MessageError';
}

/**
 * Packs candles of one subscription into as few message bodies as fit, in order.
 *
 * @param maxBytes The length of a body, unless it has one candle only.
 * @returns each body with how many candles it took, in the order given.
 */
export function encodeMessages(
  subscription: string,
  candles: readonly CandleDelta[],
  sentAt: string,
  maxBytes = maxMessageBytes,
): { body: string; count: number }[] {
  const head = `{"version":1,"subscription":${JSON.stringify(subscription)},"sent_at":"${sentAt}","candles":[`;
  const messages: { body: string; count: number }[] = [];
  let parts: string[] = [];
  let size = 0;
  const close = (): void => {
    if (parts.length > 0)
      messages.push({ body: `${head}${parts.join(',')}]}`, count: parts.length });
    parts = [];
    size = 0;
  };
  for (const candle of candles) {
    // Every field is ASCII by the database's constraints, so characters are bytes.
    const part = JSON.stringify(candle);
    if (head.length + size + part.length + 3 > maxBytes) close();
    parts.push(part);
    size += part.length + 1;
  }
  close();
  return messages;
}

/**
 * Reads a message body.
 * @throws {MessageError} naming what is wrong.
 */
export function decodeMessage(body: string): Message {
  return parse(messageSchema, body);
}

/** What is not taken of a message, and why. */
export interface Refusal {
  /** As in `indicator.dead_letters`. */
  readonly reason: 'not_a_message' | 'not_a_candle' | 'not_storable' | 'not_computed';
  readonly detail: string;
  /** The message, or its candle, as JSON. */
  readonly body: string;
}

const envelopeSchema = messageSchema.extend({ candles: z.array(z.unknown()).min(1) });

/** Reads a message body: a candle that is none does no harm to the others. */
export function readMessage(body: string): {
  candles: readonly CandleDelta[];
  refusals: readonly Refusal[];
} {
  const candles: CandleDelta[] = [];
  const refusals: Refusal[] = [];
  try {
    for (const candle of parse(envelopeSchema, body).candles) {
      const result = candleSchema.safeParse(candle);
      if (result.success) candles.push(result.data);
      else {
        const detail = `the candle is none: ${issueOf(result.error)}`;
        refusals.push({ reason: 'not_a_candle', detail, body: JSON.stringify(candle) });
      }
    }
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    refusals.push({ reason: 'not_a_message', detail: error.message, body });
  }
  return { candles, refusals };
}

function parse<Content>(schema: z.ZodType<Content>, body: string): Content {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new MessageError('the message is not JSON');
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new MessageError(`the message is not of version 1: ${issueOf(result.error)}`);
}

function issueOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim();
}
