import { DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { sleep } from '../../db/runtime/process.ts';
import type { Message } from '../../workers/messages.ts';
import { openQueue } from '../../workers/queue.ts';
import { numberOf } from './load.ts';
import type { Receipt } from './subscriber.ts';

/**
 * A service of somebody else: reads its queue and notes when it had which price in hand. The highest
 * price of a candle says up to which tick of its instrument a message reaches, since numbers only rise.
 */
const [endpoint = '', queueName = '', list = ''] = process.argv.slice(2);
const places = new Map(list.split(',').map((symbol, place) => [symbol, place]));
const queue = openQueue({ region: 'us-east-1', endpoint });
const newest = new Map<string, number>();
let receipts: Receipt[] = [];

async function receive(QueueUrl: string): Promise<void> {
  const { Messages = [] } = await queue.receiver.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
  );
  const seenAt = Date.now();
  if (Messages.length === 0) return;
  for (const { Body = '' } of Messages) note(JSON.parse(Body) as Message, seenAt);
  const Entries = Messages.map(({ ReceiptHandle }, index) => ({
    Id: String(index),
    ReceiptHandle,
  }));
  await queue.receiver.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
}

function note({ candles }: Message, seenAt: number): void {
  for (const { symbol, timeframe, high } of candles) {
    const place = places.get(symbol);
    const number = numberOf(high);
    if (place === undefined || number <= (newest.get(`${place} ${timeframe}`) ?? 0)) continue;
    newest.set(`${place} ${timeframe}`, number);
    receipts.push({ place, timeframe, number, seenAt });
  }
}

process.on('message', () => {
  const answer = receipts;
  receipts = [];
  process.send?.(answer);
});
for (const signal of ['SIGTERM', 'disconnect'] as const) process.once(signal, () => process.exit());
process.on('SIGINT', () => undefined);

// Its own queue, empty: the publisher finds it.
await queue.create(queueName);
const url = await queue.find(queueName);
if (url === undefined) throw new Error(`there is no queue ${queueName}`);
process.send?.({ ready: true });
for (;;) {
  try {
    await receive(url);
  } catch (error) {
    process.stderr.write(`could not receive: ${(error as Error).message}\n`);
    await sleep(200);
  }
}
