import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { doorOfRequests } from './hostile_requests.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  closers.push(close);
  const web = { port: (server.address() as AddressInfo).port, pid: (): number | undefined => 1 };
  const request = Buffer.from('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n');
  return { web, request, close, ...doorOfRequests([web], 'EUR_USD') };
}

const answering = (status: number, body: string) =>
  serve((_, response) => void response.writeHead(status).end(body));

it('the same seed draws the same request, and most seeds one of their own', async () => {
  const { draw, write } = await answering(200, 'fine');
  const drawn = Array.from({ length: 200 }, (_, seed) => write(draw(seed)));
  expect(new Set(drawn).size).toBeGreaterThan(180);
  expect(Array.from({ length: 200 }, (_, seed) => write(draw(seed)))).toEqual(drawn);
  expect(drawn.filter(each => /EUR_USD/.test(each)).length).toBeGreaterThan(5);
});

it.each([
  [200, 'fine', { kind: '200' }],
  [404, '<html>Not found</html>', { kind: '404' }],
  [503, '<html>The database cannot be reached.</html>', { kind: '503' }],
  [503, 'process ingest is not running since noon\n', { kind: '503' }],
])('an answer with %i and "%s" is right', async (status, body, expected) => {
  const { attempt, web, request } = await answering(status, body);
  expect(await attempt({ web, request })).toEqual(expected);
});

it.each([
  [200, 'so you said <i x="\'7q8w">', /tells the mark unchanged/],
  [404, 'Error: no\n    at answer (/app/web/app.ts:12:3)', /tells of its inside/],
  [503, '<html>Try again later.</html>', /^503 without what is wrong/],
])('an answer with %i and "%s" is wrong whatever is broken', async (status, body, fault) => {
  const { attempt, web, request } = await answering(status, body);
  expect((await attempt({ web, request })).fault).toMatch(fault);
});

it('another error of the server is suspicious', async () => {
  const { attempt, web, request } = await answering(500, 'Something behind it failed');
  expect(await attempt({ web, request })).toEqual({
    kind: '500',
    suspicion: '500: Something behind it failed',
  });
});

it('no answer is suspicious only when the process has ended with it', async () => {
  const { attempt, web, request } = await serve((_, response) => response.destroy());
  expect(await attempt({ web, request })).toEqual({ kind: 'cut off' });
  let looks = 0;
  const dying = { ...web, pid: () => (looks++ === 0 ? 1 : undefined) };
  expect(await attempt({ web: dying, request })).toEqual({
    kind: 'cut off',
    suspicion: 'the process has ended',
  });
  const dead = { ...web, pid: () => undefined };
  expect(await attempt({ web: dead, request })).toEqual({ kind: 'no process' });
});

it('one that says nothing is left after seconds', async () => {
  const { attempt, web, request } = await serve(() => undefined);
  expect(await attempt({ web, request })).toEqual({ kind: 'silence' });
});
