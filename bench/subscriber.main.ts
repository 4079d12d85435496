import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { decodeMessage } from '../workers/messages.ts';
import { numberOf } from './load.ts';
import type { Arrival } from './subscriber.ts';

/** A subscriber in a process of its own: it answers with what came, and when it had it in hand. */
const [endpoint = '', queueName = '', list = ''] = process.argv.slice(2);
const places = new Map(list.split(',').map((symbol, place) => [symbol, place]));
const sqs = new SQSClient({
  region: 'us-east-1',
  endpoint,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
});
const arrivals: Arrival[] = [];
const newest: number[] = [];
let isStopping = false;
process.once('SIGTERM', () => {
  isStopping = true;
});
process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.(arrivals));

await sqs.send(new CreateQueueCommand({ QueueName: queueName }));
const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueName }));
process.send?.('ready');
while (!isStopping) {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
  );
  const seenAt = Date.now();
  for (const { Body = '' } of Messages) {
    for (const { symbol, timeframe, side, close } of decodeMessage(Body).candles) {
      const place = places.get(symbol);
      if (place === undefined || timeframe !== '1s' || side !== 'mid') continue;
      const number = numberOf(close);
      if (number <= (newest[place] ?? 0)) continue;
      newest[place] = number;
      arrivals.push({ place, number, seenAt });
    }
  }
  if (Messages.length === 0) continue;
  const Entries = Messages.map(({ ReceiptHandle }, index) => ({
    Id: String(index),
    ReceiptHandle,
  }));
  await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
}
process.exit();
