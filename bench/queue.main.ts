import { rmSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { createLogger } from '../db/runtime/logger.ts';
import { startEmulator } from '../workers/emulator.ts';
import type { RequestCounts } from './queue.ts';

/** The SQS emulator behind a proxy that counts what it passes on; a process of its own. */
const [dataDir = ''] = process.argv.slice(2);
const emulator = await startEmulator({ dataDir, logger: createLogger('bench', 'error') });
const target = new URL(emulator.endpoint);
const agent = new Agent({ keepAlive: true });
const counts: { -readonly [Name in keyof RequestCounts]: number } = {
  sendRequests: 0,
  messages: 0,
  bytes: 0,
  otherRequests: 0,
};

function count(operation: string, body: Buffer): void {
  if (!operation.includes('SendMessage')) {
    counts.otherRequests += 1;
    return;
  }
  const { Entries = [{}] } = JSON.parse(body.toString()) as {
    Entries?: { MessageBody?: string }[];
  };
  counts.sendRequests += 1;
  counts.messages += Entries.length;
  for (const { MessageBody = '' } of Entries) counts.bytes += Buffer.byteLength(MessageBody);
}

const proxy = createServer((incoming, outgoing) => {
  const parts: Buffer[] = [];
  incoming.on('data', (part: Buffer) => parts.push(part));
  incoming.on('end', () => {
    const body = Buffer.concat(parts);
    count(String(incoming.headers['x-amz-target']), body);
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
  });
});

process.on('message', () => process.send?.(counts));
process.once('disconnect', () => {
  rmSync(dataDir, { recursive: true, force: true });
  process.exit();
});
proxy.listen(0, '127.0.0.1', () => {
  const address = proxy.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.send?.({ endpoint: `http://127.0.0.1:${port}` });
});
