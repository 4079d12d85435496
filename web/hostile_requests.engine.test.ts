import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../tests/support/database.ts';
import {
  ask,
  begun,
  faultOf,
  hostileRequests,
  noRequests,
  readAnswer,
  routesOf,
  written,
} from '../tests/support/hostile_requests.ts';
import { addIndicator, catchUp, registerCatalog } from '../tests/support/indicators.ts';
import { usedHeap } from '../tests/support/memory.ts';
import { tickOf } from '../tests/support/ticks.ts';
import { waitFor } from '../tests/support/wait.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { createApp } from './app.ts';
import { createDashboard } from './dashboard.ts';
import { createEvents, type Events } from './live/events.ts';
import { createReader, type Reader } from './reader.ts';

describeOnEngine('A hostile request', ({ sql, as }) => {
  const logged: string[] = [];
  const logger = pino({ level: 'error' }, { write: line => void logged.push(line) });
  let dashboard: Reader;
  let events: Events;
  let server: ReturnType<typeof serve>;
  let port = 0;
  let routes: string[];
  let answered = 0;

  beforeAll(async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1s' });
    const now = new Date().toISOString();
    await createFeed(sql).recordTicks('manual', [tickOf(symbol, now, { bid: 1.25, ask: 1.5 })]);
    await catchUp(sql);
    dashboard = createReader({
      open: () => ({ ...createDashboard(as('foresight_web')), close: () => undefined }),
      logger,
      patience: 30_000,
      giveUpAfter: 60_000,
    });
    events = createEvents({ dashboard, logger });
    const { fetch } = createApp({ dashboard, events, logger, isBehindProxy: true });
    server = serve({ fetch, hostname: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    routes = routesOf(symbol, id);
  });
  afterAll(async () => {
    events.close();
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });

  async function judge(request: string | Buffer, silenceMs?: number): Promise<string> {
    const answer = await readAnswer((await ask(port, request, { silenceMs })).bytes);
    if (answer === undefined) return '';
    answered++;
    const { status, body } = answer;
    const path = String(request).split(' ')[1] ?? '';
    // What is not ready says so: no process runs here.
    const isMeant = /^\/readyz\b/.test(path) && status === 503;
    if (!(status >= 200 && status < 500) && !isMeant) return `${status}: ${body.slice(0, 300)}`;
    return faultOf(answer);
  }

  const plain = (path: string, headers = '') =>
    `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}\r\n`;

  async function judgeAll(requests: readonly (string | Buffer)[], silenceMs?: number) {
    const faults = await Promise.all(
      requests.map(async request => {
        const fault = await judge(request, silenceMs);
        return fault === '' ? [] : [`${fault}\n${JSON.stringify(String(request).slice(0, 600))}`];
      }),
    );
    expect(faults.flat()).toEqual([]);
  }

  const counts = () => sql`
    select (select count(*) from feed.ticks) as ticks, (select count(*) from feed.instruments) as instruments,
      (select count(*) from indicator.definitions) as indicators, (select count(*) from ops.processes) as processes`;

  it('is answered in time, is never our fault, and comes back as no markup', {
    timeout: 240_000,
  }, async ({ annotate }) => {
    const before = [...(await counts())];
    const sent = hostileRequests(routes);
    let inputs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 20, maxLength: 30 }), async some => {
        inputs += some.length;
        await judgeAll(some.map(written));
      }),
      { numRuns: 40, seed: 20_261_128, endOnFailure: true },
    );
    expect(answered).toBeGreaterThan(0.9 * inputs);
    const heapBefore = usedHeap();
    await fc.assert(
      fc.asyncProperty(fc.array(noRequests, { minLength: 20, maxLength: 30 }), async some => {
        inputs += 2 * some.length;
        await judgeAll(some, 100);
        await judgeAll(some.map(begun), 100);
      }),
      { numRuns: 10, seed: 20_261_128, endOnFailure: true },
    );
    expect(usedHeap() - heapBefore).toBeLessThan(100_000_000);
    await annotate(`${inputs} hostile requests`);

    expect([...(await counts())]).toEqual(before);
    await waitFor('no stream is left', () => events.streamCount === 0);
    expect(logged).toEqual([]);
    expect(String((await ask(port, plain('/'))).bytes)).toMatch(/^HTTP\/1\.1 200 .*1\.25000/s);
  });
});
