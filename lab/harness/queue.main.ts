import { createLogger } from '../../db/runtime/logger.ts';
import { openQueueServer } from '../../tests/support/queue_server.ts';
import { type Message, maxMessageBytes } from '../../workers/messages.ts';
import { combine, noCounts, type SendCounts } from './queue.ts';

/** The SQS emulator, with a count of what was asked of it; a process of its own. */
const inspects = process.argv.includes('inspect');
const queues: Record<string, SendCounts> = {};
let otherRequests = 0;
/** By queue and candle, the content that was sent last. */
const newest = new Map<string, string>();

interface SendRequest {
  readonly QueueUrl?: string;
  readonly Entries?: readonly { readonly MessageBody?: string }[];
  readonly MessageBody?: string;
}

function count(operation: string, body: Buffer): void {
  if (!operation.includes('SendMessage')) {
    otherRequests += 1;
    return;
  }
  const { QueueUrl = '', Entries, MessageBody = '' } = JSON.parse(body.toString()) as SendRequest;
  const name = QueueUrl.split('/').at(-1) ?? '';
  const bodies = Entries?.map(entry => entry.MessageBody ?? '') ?? [MessageBody];
  let sum: SendCounts = { ...noCounts, requests: 1 };
  for (const each of bodies) {
    const bytes = Buffer.byteLength(each);
    if (bytes > maxMessageBytes) throw new Error(`a message of ${bytes} bytes`);
    const seen = inspects ? inspect(name, each) : { candles: 0, repeats: 0 };
    sum = combine(sum, { requests: 0, messages: 1, bytes, ...seen }, (a, b) => a + b);
  }
  queues[name] = combine(queues[name] ?? noCounts, sum, (a, b) => a + b);
}

function inspect(queue: string, body: string): { candles: number; repeats: number } {
  const { candles } = JSON.parse(body) as Message;
  let repeats = 0;
  for (const { revision: _, ...content } of candles) {
    const key = `${queue} ${content.symbol} ${content.timeframe} ${content.side} ${content.bucket}`;
    const text = JSON.stringify(content);
    if (newest.get(key) === text) repeats += 1;
    newest.set(key, text);
  }
  return { candles: candles.length, repeats };
}

const server = await openQueueServer(createLogger('queue', 'error'), count);
process.on('message', () => process.send?.({ queues, otherRequests }));
for (const event of ['disconnect', 'SIGTERM'] as const) {
  process.once(event, () => void server.close().finally(() => process.exit()));
}
process.send?.({ endpoint: server.gate.endpoint });
