import { type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig, requireSafePage } from '../../db/runtime/config.ts';
import { spawnWorker } from '../../tests/support/system.ts';
import { createApp } from '../app.ts';
import { createEvents, type EventsOptions } from '../live/events.ts';
import { createFixture } from '../tests/fixture.ts';

const logger = pino({ level: 'silent' });
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What came first; all of it when the answer ends. */
  readonly text: string;
}

/** The page on a port of its own, asked as a browser or something worse would. */
async function open(env: Record<string, string> = {}, options: Partial<EventsOptions> = {}) {
  const { dashboard } = createFixture();
  const events = createEvents({ dashboard, logger, ...options });
  const { access, hosts } = readConfig(env).page;
  const isBehindProxy = access === 'proxy';
  const { fetch } = createApp({ dashboard, events, logger, hosts, isBehindProxy });
  const server = serve({ fetch, hostname: '127.0.0.1', port: 0 });
  closers.push(() => {
    events.close();
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  await new Promise<void>(resolve => server.once('listening', () => resolve()));
  const { port } = server.address() as AddressInfo;

  function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const asked = request({ port, path, method, headers, agent: false }, response => {
      const { statusCode: status = 0, headers: given } = response;
      let text = '';
      const answer = () => resolve({ status, headers: given, text });
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (given['content-type'] === 'text/event-stream') answer();
      });
      response.on('end', answer).on('error', reject);
    });
    asked.on('error', reject).end();
    closers.push(() => asked.destroy());
    return promise;
  }
  return { ask, port, events };
}

describe('the door of the page', () => {
  it.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example.',
    'foresight',
    'xn--localhost-abc',
  ])('does not open for the host name %s', async host => {
    const { ask, events } = await open({ PAGE_HOSTS: 'foresight.example' });
    for (const path of ['/', '/events', '/api', '/status', '/static/page.js']) {
      const { status, text } = await ask(path, { host });
      expect(status, path).toBe(421);
      expect(text).not.toMatch(/EUR_USD|<html/);
    }
    expect(events.streamCount).toBe(0);
  });

  it.each([
    'localhost',
    'LOCALHOST:8080',
    '127.0.0.1:8080',
    '192.0.2.7',
    '[::1]:8080',
    'foresight.example',
    'Foresight.Example:443',
    'other.example',
  ])('opens for %s', async host => {
    const { ask } = await open({ PAGE_HOSTS: 'foresight.example, Other.example' });
    expect((await ask('/', { host })).text).toContain('EUR_USD');
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'knows no %s, and says what it knows',
    async method => {
      const { ask } = await open();
      for (const path of ['/', '/status', '/nothing', '/static/page.js', '/events']) {
        const { status, headers } = await ask(path, {}, method);
        expect(status, path).toBe(405);
        expect(headers.allow).toBe('GET, HEAD');
      }
    },
  );

  it('lets nobody in between keep what is of now', async () => {
    const { ask } = await open();
    for (const path of ['/', '/status', '/indicators/1', '/readyz', '/healthz', '/nothing']) {
      expect((await ask(path)).headers['cache-control'], path).toBe('no-store');
    }
    expect((await ask('/events')).headers['cache-control']).toBe('no-store, no-transform');
    expect((await ask('/static/page.js')).headers['cache-control']).toBe('no-cache');
  });

  it('gives one client no more than its share of streams', async () => {
    const { ask, events } = await open({}, { maxStreams: 10, maxStreamsOfClient: 3 });
    const headers = { 'x-forwarded-for': '192.0.2.1' };
    for (let count = 1; count <= 3; count++) expect((await ask('/events')).status).toBe(200);
    // Without a proxy that is only something that anybody may write.
    const refused = await ask('/events', headers);
    expect(refused.status).toBe(503);
    expect(refused.text).toBe('too many open pages from your address\n');
    expect(events.streamCount).toBe(3);
  });

  it('counts behind a proxy whom the proxy names, and of IPv6 the network', async () => {
    const { ask } = await open({ PAGE_ACCESS: 'proxy' }, { maxStreamsOfClient: 1 });
    const ofClient = async (client: string) =>
      (await ask('/events', { 'x-forwarded-for': client })).status;
    expect(await ofClient('192.0.2.1')).toBe(200);
    expect(await ofClient('192.0.2.2')).toBe(200);
    expect(await ofClient('198.51.100.9, 192.0.2.1')).toBe(503);
    expect(await ofClient('::ffff:192.0.2.1')).toBe(503);
    expect(await ofClient('2001:db8:0:1::1')).toBe(200);
    expect(await ofClient('2001:db8::1:ffff:0:0:2')).toBe(503);
    expect(await ofClient('2001:db8:0:2::1')).toBe(200);
  });
});

describe('HOST', () => {
  const check = (env: Record<string, string>) => () => requireSafePage(readConfig(env));

  it('opens the page to the network only when that was meant', () => {
    for (const HOST of ['0.0.0.0', '::', '192.0.2.7', '127.evil.example', 'foresight.example']) {
      expect(check({ HOST }), HOST).toThrow(/^wrong configuration: HOST .* PAGE_ACCESS to proxy/);
      expect(check({ HOST, PAGE_ACCESS: 'proxy' }), HOST).not.toThrow();
      expect(check({ HOST, PAGE_ACCESS: 'open' }), HOST).not.toThrow();
    }
    for (const HOST of ['', '127.0.0.1', '127.0.0.2', '::1', 'localhost']) {
      expect(check({ HOST }), HOST).not.toThrow();
    }
    expect(check({ PAGE_ACCESS: 'yes' })).toThrow(ConfigError);
    expect(check({ PAGE_HOSTS: 'https://foresight.example' })).toThrow(ConfigError);
  });

  it('that was not meant ends the process with one line', async () => {
    const web = spawnWorker('web', {
      PATH: process.env.PATH,
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      HOST: '0.0.0.0',
    });
    expect((await web.gone).code).toBe(78);
    expect(web.log()).toMatch(
      /^foresight web: wrong configuration: HOST 0\.0\.0\.0 opens the page to the network, [^\n]*\n$/,
    );
  });
});
