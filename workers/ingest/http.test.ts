import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Hiccup, Refusal } from './connection.ts';
import { createHttp } from './http.ts';

const closers: (() => Promise<unknown>)[] = [];
const deadlineMs = 5_000;

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(answer: RequestListener) {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const failureOf = (asking: Promise<unknown>): Promise<Error> =>
  asking.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as Error,
  );

describe('asking a provider', () => {
  it('takes as many bytes as it may, however they were packed, and not one more', async () => {
    const url = await serve((request, response) => {
      const isPacked = request.url === '/packed';
      const text = JSON.stringify('é'.repeat(499));
      response.writeHead(200, isPacked ? { 'Content-Encoding': 'gzip' } : {});
      response.end(isPacked ? gzipSync(text) : text);
    });
    const { json } = createHttp();
    for (const path of ['', 'packed']) {
      expect(await json(url + path, { deadlineMs, maxBytes: 1_000 })).toBe('é'.repeat(499));
      const error = await failureOf(json(url + path, { deadlineMs, maxBytes: 999 }));
      expect(error).toBeInstanceOf(Hiccup);
      expect(error.message).toMatch(/^the answer is longer than /);
    }
  });

  it('knows who may be asked again from who may not, and when', async () => {
    const url = await serve((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { 'Retry-After': '7' });
      response.end('{"msg":"no \\u0007 way,\\nsecret"}');
    });
    const { json } = createHttp({
      passing: [418],
      secrets: ['secret'],
      wordsIn: body => (body as { msg?: unknown }).msg,
    });
    for (const status of [302, 408, 418, 429, 500, 599]) {
      const error = await failureOf(json(`${url}${status}`, { deadlineMs }));
      expect(error).toMatchObject({ message: `HTTP ${status}`, retryAfter: 7_000 });
      expect(error).toBeInstanceOf(Hiccup);
    }
    for (const status of [400, 401, 403, 404, 451]) {
      const error = await failureOf(json(`${url}${status}`, { deadlineMs }));
      expect(error).toBeInstanceOf(Refusal);
      expect(error.message).toBe(`HTTP ${status}, no \uFFFD way, ***`);
    }
  });

  it('ends at its deadline, and when it is told to, whatever comes meanwhile', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 2);
      response.on('close', () => clearInterval(drip));
    });
    const { json } = createHttp();
    expect(await failureOf(json(url, { deadlineMs: 50 }))).toBeInstanceOf(Hiccup);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await failureOf(json(url, { deadlineMs, signal: stop.signal }));
    await failureOf(json(url, { deadlineMs, signal: AbortSignal.abort() }));
  });

  it('closes the connection of what it does not read on', async () => {
    let closed = 0;
    const url = await serve((request, response) => {
      response.writeHead(request.url === '/fails' ? 503 : 200);
      const fill = setInterval(() => response.write('x'.repeat(1_000)), 1);
      response.on('close', () => {
        clearInterval(fill);
        closed += 1;
      });
    });
    const { json } = createHttp();
    await failureOf(json(`${url}fails`, { deadlineMs, maxBytes: 5_000 }));
    await failureOf(json(`${url}long`, { deadlineMs, maxBytes: 5_000 }));
    await expect.poll(() => closed).toBe(2);
  });
});
