import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createWebhook, signatureOf, type WebhookOptions } from './webhook.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function serve(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return listen(server);
}

const message = {
  eventId: '5f1d7a3e-0000-4000-8000-000000000001',
  secret: 'key',
  body: '{"to":"bullish ▲"}',
  signal: new AbortController().signal,
};

const local = (options: WebhookOptions = {}) =>
  createWebhook({ privateHosts: ['127.0.0.1'], ...options });

/** A resolver that gives a name these addresses. */
const resolving = (...addresses: string[]) =>
  ((
    _: string,
    __: unknown,
    callback: (error: null, found: { address: string; family: number }[]) => void,
  ) =>
    callback(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as NonNullable<WebhookOptions['lookUp']>;

describe('a webhook', () => {
  it('is posted the body, the id of the event, and a signature over time and body', async () => {
    const seen: { method: string | undefined; headers: object; body: string }[] = [];
    const port = await serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push({ method: request.method, headers: request.headers, body });
      response.writeHead(204).end();
    });
    const { send } = local({ now: () => 1_800_000_000 });
    expect(await send({ ...message, url: `http://127.0.0.1:${port}/a?b=c` })).toEqual({
      status: 204,
      retryAfterMs: 0,
    });
    expect(seen).toMatchObject([
      {
        method: 'POST',
        body: message.body,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'x-foresight-event-id': message.eventId,
          'x-foresight-timestamp': '1800000000',
          // printf '1800000000.{"to":"bullish ▲"}' | openssl dgst -sha256 -hmac key
          'x-foresight-signature':
            'v1=fafa1dd734b8a7b1696537ff60bc1c5a0daba74dbea68c40fe95224da370382e',
        },
      },
    ]);
    expect(signatureOf('other', 1_800_000_000, message.body)).not.toBe(
      signatureOf('key', 1_800_000_000, message.body),
    );
  });

  it('that refuses tells its status, and how long it wants to be left alone', async () => {
    const port = await serve((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, { 'retry-after': '7', location: '/200' }).end('no');
    });
    const { send } = local();
    for (const status of [301, 302, 307, 308, 400, 404, 410, 429, 500, 503]) {
      const answer = await send({ ...message, url: `http://127.0.0.1:${port}/${status}` });
      expect(answer).toMatchObject({ status, retryAfterMs: 7_000 });
      expect(answer.error).toContain(`HTTP ${status}`);
    }
  });

  it('is not followed to where it sends us', async () => {
    let asked = 0;
    const elsewhere = await serve((_, response) => {
      asked += 1;
      response.end();
    });
    const port = await serve((_, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${elsewhere}/` }).end();
    });
    const answer = await local().send({ ...message, url: `http://127.0.0.1:${port}/` });
    expect(answer.error).toBe('HTTP 307, and no redirect is followed');
    expect(asked).toBe(0);
  });

  it('that never answers is given up at the deadline, in each of its ways', async () => {
    const silent = createTcpServer(socket => socket.on('error', () => undefined));
    closers.push(async () => {
      silent.close();
    });
    const dripping = createTcpServer(socket => {
      const drip = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 5);
      socket.on('error', () => undefined);
      socket.on('close', () => clearInterval(drip));
    });
    closers.push(async () => {
      dripping.close();
    });
    for (const server of [silent, dripping]) {
      const { send } = local({ deadlineMs: 100 });
      expect(await send({ ...message, url: `http://127.0.0.1:${await listen(server)}/` })).toEqual({
        error: 'there was no answer within 0.1 seconds',
        retryAfterMs: 0,
      });
    }
    const stuck = createWebhook({ deadlineMs: 100, lookUp: (() => undefined) as never });
    expect((await stuck.send({ ...message, url: 'http://example.org/' })).error).toBe(
      'there was no answer within 0.1 seconds',
    );
  });

  it('is not read beyond the head of its answer', async () => {
    const closed = Promise.withResolvers<void>();
    const port = await serve((_, response) => {
      response.writeHead(200);
      const fill = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => {
        clearInterval(fill);
        closed.resolve();
      });
    });
    expect(await local().send({ ...message, url: `http://127.0.0.1:${port}/` })).toEqual({
      status: 200,
      retryAfterMs: 0,
    });
    await closed.promise;
  });

  it('that is nobody, or speaks something else, is told in words without the path', async () => {
    const port = await serve((_, response) => response.end());
    const garbage = createTcpServer(socket => socket.end('220 mail ready\r\n'));
    closers.push(async () => {
      garbage.close();
    });
    const gone = createTcpServer();
    const closedPort = await listen(gone);
    gone.close();
    await once(gone, 'close');
    for (const url of [
      `https://127.0.0.1:${port}/token`,
      `http://127.0.0.1:${await listen(garbage)}/token`,
      `http://127.0.0.1:${closedPort}/token`,
      'http://127.0.0.1:99999/token',
      'http://:80/token',
      '/token',
      '',
    ]) {
      const { error, status } = await local().send({ ...message, url });
      expect(error, url).toMatch(/./);
      expect(error, url).not.toContain('token');
      expect(status).toBeUndefined();
    }
  });

  it('at a private address is refused, however it is written', async () => {
    let asked = 0;
    const port = await serve((_, response) => {
      asked += 1;
      response.end();
    });
    const { send } = createWebhook({ lookUp: resolving('127.0.0.1') });
    for (const host of [
      ...['127.0.0.1', '2130706433', '0x7f.1', '127.1', '0177.0.0.1', '[::1]', '[::]', '0.0.0.0'],
      ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '169.254.169.254', '192.168.0.1', '[fe80::1]'],
      ...['localhost', 'example.org', 'LOCALHOST.', '127.0.0.1.nip.io', '１２７.0.0.1'],
    ]) {
      const { error } = await send({ ...message, url: `http://${host}:${port}/` });
      expect(error, host).toMatch(/^the address of .* is private/);
    }
    expect(asked).toBe(0);
  });

  it('is refused by what its name stands for when the connection is made', async () => {
    let asked = 0;
    const port = await serve((_, response) => {
      asked += 1;
      response.end();
    });
    const url = `http://rebind.example:${port}/`;
    for (const addresses of [
      ['127.0.0.1'],
      ['8.8.8.8', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['2606:4700::1111', '::1'],
    ]) {
      const { send } = createWebhook({ lookUp: resolving(...addresses) });
      expect((await send({ ...message, url })).error).toMatch(/^the address of rebind.example is/);
    }
    // A name of the machine's own, as its resolver knows it.
    const real = createWebhook();
    const { error } = await real.send({ ...message, url: `http://localhost:${port}/` });
    expect(error).toMatch(/^the address of localhost is private/);
    expect(asked).toBe(0);
    // One that is allowed is asked.
    const allowed = createWebhook({ privateHosts: ['localhost'] });
    expect((await allowed.send({ ...message, url: `http://localhost:${port}/` })).status).toBe(200);
    expect(asked).toBe(1);
  });

  it('ends when the process stops', async () => {
    const port = await serve(() => undefined);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    const url = `http://127.0.0.1:${port}/`;
    expect((await local().send({ ...message, url, signal: stop.signal })).error).toMatch(/abort/i);
  });
});
