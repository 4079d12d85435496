import { rmSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { createLogger } from '../../db/runtime/logger.ts';
import { startEmulator } from '../../start/emulator.ts';
import { type Message, maxMessageBytes } from '../../workers/messages.ts';
import { combine, noCounts, type SendCounts } from './queue.ts';

/** The SQS emulator behind a proxy that counts what it passes on; a process of its own. */
const [dataDir = '', mode] = process.argv.slice(2);
const emulator = await startEmulator({ dataDir, logger: createLogger('bench', 'error') });
const target = new URL(emulator.endpoint);
const agent = new Agent({ keepAlive: true });
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
    const seen = mode === 'inspect' ? inspect(name, each) : { candles: 0, repeats: 0 };
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

const proxy = createServer((incoming, outgoing) => {
  const parts: Buffer[] = [];
  incoming.on('data', (part: Buffer) => parts.push(part));
  incoming.on('end', () => {
    const body = Buffer.concat(parts);
    const { method, url: path, headers } = incoming;
    const forwarded = request(
      { agent, host: target.hostname, port: target.port, method, path, headers },
      answer => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    forwarded.end(body);
    count(String(headers['x-amz-target']), body);
  });
});

process.on('message', () => process.send?.({ queues, otherRequests }));
for (const event of ['disconnect', 'SIGTERM'] as const) {
  process.once(event, () => {
    rmSync(dataDir, { recursive: true, force: true });
    process.exit();
  });
}
// A Ctrl-C reaches the whole group; this one ends when its parent has stopped what uses it.
process.on('SIGINT', () => undefined);
proxy.listen(0, '127.0.0.1', () => {
  const address = proxy.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.send?.({ endpoint: `http://127.0.0.1:${port}` });
});
