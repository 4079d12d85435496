import {
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import type { Sql } from '../../db/runtime/database.ts';
import {
  type CandleDelta,
  decodeMessage,
  type Message,
  maxMessageBytes,
} from '../../workers/messages.ts';

/** What a service of somebody else keeps: the highest revision of each candle. */
export interface Subscriber {
  /** Reads and deletes all that is in the queue; says how many messages and candles that were. */
  read(): Promise<{ messages: number; candles: number }>;
  held(): readonly CandleDelta[];
  /** Every revision of a candle that came, once. */
  revisions(): readonly CandleDelta[];
}

/** Reads and deletes all that is in a queue, and checks each body. */
export async function readMessages(sqs: SQSClient, queueName: string): Promise<Message[]> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueName }));
  const read: Message[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    if (Messages.length === 0) return read;
    for (const { Body = '' } of Messages) {
      expect(Buffer.byteLength(Body)).toBeLessThanOrEqual(maxMessageBytes);
      read.push(decodeMessage(Body));
    }
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({
      Id: String(index),
      ReceiptHandle,
    }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  }
}

/** A plain SQS client. It checks that a revision never has two contents. */
export function createSubscriber(sqs: SQSClient, queueName: string): Subscriber {
  const newest = new Map<string, CandleDelta>();
  const contents = new Map<string, CandleDelta>();

  const take = ({ candles }: Message): number => {
    for (const candle of candles) {
      const key = keyOf(candle);
      const revision = `${key} ${candle.revision}`;
      const content = JSON.stringify(candle);
      const earlier = JSON.stringify(contents.get(revision) ?? candle);
      if (earlier !== content) {
        throw new Error(`revision ${revision} came as ${earlier} and as ${content}`);
      }
      contents.set(revision, candle);
      if ((newest.get(key)?.revision ?? 0) < candle.revision) newest.set(key, candle);
    }
    return candles.length;
  };

  return {
    async read() {
      const messages = await readMessages(sqs, queueName);
      const candles = messages.map(take).reduce((sum, count) => sum + count, 0);
      return { messages: messages.length, candles };
    },
    held: () => [...newest.values()],
    revisions: () => [...contents.values()],
  };
}

/** What names a candle. */
export function keyOf(candle: CandleDelta): string {
  return `${candle.symbol} ${candle.timeframe} ${candle.side} ${candle.bucket}`;
}

/** The subscriber holds exactly the stored candles, with their revision, and those equal feed.candles. */
export async function expectHoldsStored(
  sql: Sql,
  subscriber: Subscriber,
  wanted: { symbol: string; timeframes: readonly string[]; side: string; closedOnly?: boolean },
): Promise<void> {
  const { symbol, timeframes, side, closedOnly = false } = wanted;
  for (const timeframe of timeframes) {
    const stored = await sql<Record<string, unknown>[]>`
      select ${symbol} as symbol, c.timeframe, c.side,
        to_char(c.bucket, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket,
        f.open, f.high, f.low, f.close,
        feed.without_noise(c.sum / c.tick_count) as average, feed.without_noise(c.sum) as sum,
        case when abs(c.volume - f.volume) > 1e-9 * f.volume then f.volume else feed.without_noise(c.volume) end as volume,
        f.tick_count::int, c.is_closed, c.revision::int
      from outbox.candles as c
      join feed.candles(${symbol}, ${timeframe}, ${side}) as f on f.bucket = c.bucket
      where c.instrument_id = feed.instrument_id(${symbol})
        and c.timeframe = ${timeframe} and c.side = ${side} and (c.is_closed or not ${closedOnly})
      order by c.bucket`;
    const held = subscriber
      .held()
      .filter(candle => candle.symbol === symbol && candle.timeframe === timeframe)
      .filter(candle => candle.side === side)
      .toSorted((a, b) => (a.bucket < b.bucket ? -1 : 1));
    expect(held, `${symbol} ${timeframe} ${side}`).toEqual([...stored]);
  }
}
