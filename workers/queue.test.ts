import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openQueue, type Queue } from './queue.ts';

const cleanups: (() => void)[] = [];
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  vi.unstubAllEnvs();
});

function open(endpoint: string): Queue {
  const queue = openQueue({ region: 'us-east-1', endpoint });
  cleanups.push(() => queue.close());
  return queue;
}

/** An SQS that gives a fixed answer to each action. */
async function answering(
  answers: Record<string, (body: string) => [number, object]>,
): Promise<string> {
  const server = createHttpServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const [status, answer] = answers[action]?.(body) ?? [404, {}];
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  cleanups.push(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the queue', () => {
  it('gives up on a server that accepts connections and never answers', {
    timeout: 40_000,
  }, async () => {
    const sockets: Socket[] = [];
    const server = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1');
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    await once(server, 'listening');
    const queue = open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const began = Date.now();
    await expect(queue.send('prices', ['{}'])).rejects.toThrow(/time|aborted/i);
    expect(Date.now() - began).toBeLessThan(20_000);
  });

  it('reads the answer to a batch entry by entry', async () => {
    const endpoint = await answering({
      GetQueueUrl: () => [200, { QueueUrl: 'http://elsewhere.invalid/0/prices' }],
      SendMessageBatch: () => [
        200,
        {
          Successful: [
            { Id: '0', MessageId: 'a', MD5OfMessageBody: '7215ee9c7d9dc229d2921a40e899ec5f' },
          ],
          Failed: [
            { Id: '2', SenderFault: false, Code: 'InternalError', Message: 'later' },
            { Id: '1', SenderFault: true, Code: 'InvalidMessageContents', Message: 'never' },
          ],
        },
      ],
    });
    const results = await open(endpoint).send('prices', [' ', '2', '3', '4']);
    expect(results).toEqual([
      { ok: true },
      { ok: false, isFinal: true, reason: 'InvalidMessageContents: never' },
      { ok: false, isFinal: false, reason: 'InternalError: later' },
      { ok: false, isFinal: false, reason: 'Unknown: SQS did not say why' },
    ]);
  });

  it('does not follow the host in a queue URL away from the endpoint it was given', async () => {
    let bodies = '';
    const endpoint = await answering({
      GetQueueUrl: () => [200, { QueueUrl: 'http://elsewhere.invalid/0/prices' }],
      SendMessageBatch: body => {
        bodies += body;
        return [200, { Failed: [{ Id: '0', SenderFault: false, Code: 'X', Message: 'y' }] }];
      },
    });
    await open(endpoint).send('prices', ['here']);
    expect(bodies).toContain('here');
  });

  it('says that a queue is missing, and does not make it by itself', async () => {
    const missing = { __type: 'com.amazonaws.sqs#QueueDoesNotExist', message: 'no such queue' };
    const endpoint = await answering({ GetQueueUrl: () => [400, missing] });
    const queue = open(endpoint);
    expect(await queue.find('prices')).toBeUndefined();
    await expect(queue.send('prices', ['{}'])).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
  });
});
