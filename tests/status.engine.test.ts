import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../start/embedded/cluster.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { type FakeOanda, startFakeOanda } from '../workers/ingest/sources/oanda/fake.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { type FaultProxy, openProxy, type ProxyFault } from './support/proxy.ts';
import type { GateFault } from './support/queue_gate.ts';
import { withSessions } from './support/session.ts';
import { type System, startSystem, type WorkerName, type WorkerProcess } from './support/system.ts';
import { addAverages, registerKinds } from './support/values.ts';
import { waitFor } from './support/wait.ts';

/** How long it is waited for; that a fault shows within fifteen seconds is for a soak to judge, not for a busy machine. */
const shownWithinMs = 30_000;
/** The same for everything to work again after a fault. */
const wellWithinMs = 60_000;
/** What works waits less. */
const soonSeconds = 5;
const subscriptions = ['works', 'refuses', 'hangs', 'rejects'] as const;
const access = { token: 'status-token', accountId: '101-004-1234567-001' };

interface Views {
  readonly faults: readonly string[];
  readonly lag: Readonly<Record<string, { pending: number; seconds: number | null }>>;
  readonly queues: Readonly<
    Record<string, { pending: number; waits: number | null; dead: number; error: string | null }>
  >;
}

/** Faults come in twos and threes, each with words of its own, because each takes its fifteen seconds to show. */
describeOnEngine('ops.status, ops.lag and ops.queues', database => {
  const { sql } = database;
  const feed = createFeed(sql);
  const running = new Map<WorkerName, WorkerProcess>();
  const proxies = new Map<WorkerName, FaultProxy>();
  const closers: (() => unknown)[] = [];
  let system: System;
  let oanda: FakeOanda;
  let webPort: number;

  async function start(name: WorkerName): Promise<void> {
    const proxy = proxies.get(name) ?? (await openProxy(database.url));
    proxies.set(name, proxy);
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const args = name === 'ingest' ? ['--source', 'oanda', '--symbols', 'EUR_USD'] : [];
    const env = {
      DATABASE_URL: url.href,
      OANDA_API_TOKEN: access.token,
      OANDA_ACCOUNT_ID: access.accountId,
      OANDA_API_URL: oanda.url,
      OANDA_STREAM_URL: oanda.url,
      PORT: String(webPort),
    };
    running.set(name, await system.start(name, args, env));
  }

  beforeAll(async () => {
    await registerKinds(sql);
    // A candle of a default would be over in the middle of a fault, whenever the clock strikes five minutes.
    await sql`delete from indicator.wishes`;
    // At a weekend a source of currencies may be silent.
    await sql`delete from feed.sessions where calendar = 'fx'`;
    await sql`delete from feed.closures where calendar = 'fx'`;
    const symbol = await addInstrument(sql);
    for (const name of subscriptions)
      await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, '1s', 'mid')`;
    for (const timeframe of ['1s', '1d'])
      await addAverages(sql, symbol, timeframe, { fast: 1, slow: 3 });
    await sql`select indicator.add(${symbol}, '1d', 'drift')`;
    oanda = await startFakeOanda({ ...access, heartbeatMs: 1_000 });
    webPort = await freePort();
    system = await startSystem(database);
    system.supervise();
    await Promise.all((['ingest', 'upkeep', 'publish', 'indicators', 'web'] as const).map(start));

    // Four ticks a second that no fault of a process can stop.
    let bid = 1;
    const feeding = setInterval(() => {
      bid = bid > 2 ? 1 : bid + 0.001;
      oanda.push({ instrument: 'EUR_USD', bid: String(bid), ask: String(bid + 1) });
      const observedAt = new Date().toISOString();
      const tick = { symbol, observedAt, seq: 0, bid, ask: bid + 1, last: null, size: null };
      feed
        .recordTicks('manual', [tick])
        .then(() => feed.nudge())
        .catch(() => undefined);
    }, 250);
    closers.push(() => clearInterval(feeding));
  });

  afterAll(async () => {
    for (const close of closers) close();
    for (const proxy of proxies.values()) proxy.set(undefined);
    await system?.stopAll();
    await oanda?.close();
    for (const proxy of proxies.values()) await proxy.close();
  });

  async function views(): Promise<Views> {
    const [row] = await sql<[Views]>`
      select
        (select faults from ops.status) as faults,
        (select jsonb_object_agg(l.step, jsonb_build_object('pending', l.pending, 'seconds', l.seconds))
         from ops.lag as l) as lag,
        (select jsonb_object_agg(q.subscription, jsonb_build_object('pending', q.pending,
           'waits', extract(epoch from now() - q.oldest_pending_at), 'dead', q.dead_letters, 'error', q.last_error))
         from ops.queues as q) as queues`;
    return row;
  }

  async function readiness(): Promise<{ status: number; faults: string[] }> {
    const answer = await fetch(`http://127.0.0.1:${webPort}/readyz`);
    return { status: answer.status, faults: (await answer.text()).trim().split('\n') };
  }

  /** Nothing is named, nothing waits longer than a moment, and the page's process says so too. */
  async function areWell(): Promise<true> {
    const { faults, lag, queues } = await views();
    expect(faults).toEqual([]);
    // What is computed once takes its time, and is over.
    for (const step of ['history to queue', 'indicator history'])
      expect(lag[step], step).toEqual({ pending: 0, seconds: null });
    for (const [what, seconds] of [
      ...Object.entries(lag).map(([step, { seconds }]) => [step, seconds] as const),
      ...Object.entries(queues).map(([queue, { waits }]) => [queue, waits] as const),
    ])
      expect(seconds ?? 0, what).toBeLessThan(soonSeconds);
    for (const queue of Object.values(queues))
      expect(queue).toMatchObject({ dead: 0, error: null });
    expect(await readiness()).toEqual({ status: 200, faults: ['ready'] });
    return true;
  }

  const untilWell = () =>
    waitFor('all is well', areWell, { deadlineMs: wellWithinMs, explain: system.logs });

  /** Until each of these is named; until then and after, nothing but these and what may be named. */
  async function untilShown(must: readonly RegExp[], may: readonly RegExp[] = []): Promise<Views> {
    const wrong = new Set<string>();
    const shown = await waitFor(
      `ops.status says ${must.join(' and ')}`,
      async () => {
        const seen = await views();
        for (const fault of seen.faults)
          if (![...must, ...may].some(pattern => pattern.test(fault))) wrong.add(fault);
        return seen;
      },
      {
        until: ({ faults }) => must.every(pattern => faults.some(fault => pattern.test(fault))),
        deadlineMs: shownWithinMs,
        explain: system.logs,
      },
    );
    expect([...wrong], 'what was named and is not so').toEqual([]);
    return shown;
  }

  /** What the page's process says is what the view says. */
  async function expectNotReady(must: readonly RegExp[]): Promise<void> {
    const { status, faults } = await readiness();
    expect(status).toBe(503);
    for (const pattern of must) expect(faults).toContainEqual(expect.stringMatching(pattern));
  }

  /** A view's age of what began to wait at this moment. */
  function expectAge(seconds: number | null | undefined, since: number): void {
    const elapsed = (Date.now() - since) / 1_000;
    expect(seconds).toBeGreaterThan(elapsed - 3);
    expect(seconds).toBeLessThan(elapsed + 3);
  }

  const undo: (() => unknown)[] = [];

  function freeze(name: WorkerName): void {
    const worker = running.get(name);
    undo.push(() => worker?.thaw());
    worker?.freeze();
  }

  async function kill(name: WorkerName): Promise<void> {
    undo.push(() => start(name));
    await running.get(name)?.kill9();
  }

  function breakQueue(name: string, fault: GateFault): void {
    undo.push(() => system.gate.set(name, undefined));
    system.gate.set(name, fault);
  }

  function breakDatabaseOf(name: WorkerName, fault: ProxyFault): void {
    const proxy = proxies.get(name);
    undo.push(() => {
      proxy?.set(undefined);
      // What was swallowed is missing for ever.
      proxy?.reset();
    });
    proxy?.set(fault);
    if (fault === 'refuse') proxy?.reset();
  }

  /** A candle a second waits, and those of the last seconds before, which were still open. */
  function expectCandles(pending: number | undefined, since: number): void {
    const elapsed = (Date.now() - since) / 1_000;
    expect(pending).toBeGreaterThan(elapsed - 3);
    expect(pending).toBeLessThan(elapsed + 6);
  }

  beforeAll(untilWell);
  afterEach(async () => {
    for (const step of undo.splice(0)) await step();
    await untilWell();
  });

  it('say nothing while all is well', async () => {
    for (let look = 0; look < 20; look++) {
      await areWell();
      await sleep(100);
    }
    const { queues } = await views();
    expect(Object.keys(queues).sort()).toEqual([
      'hangs',
      'indicators.classical',
      'indicators.models',
      'refuses',
      'rejects',
      'works',
    ]);
  });

  it('tell of a frozen ingest, of queues that refuse and hang, and of values that nobody stores', async () => {
    const since = Date.now();
    freeze('ingest');
    breakQueue('refuses', 'refuse');
    breakQueue('hangs', 'hang');
    const { QueueUrl } = await system.sqs.send(new GetQueueUrlCommand({ QueueName: 'works' }));
    await system.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    const must = [
      /^process ingest is not running$/,
      /^source oanda has been silent since /,
      /^subscription refuses cannot be sent: AccessDenied/,
      /^subscription hangs has waited since /,
      /^\d+ indicators of service classical have been behind their candles since /,
      /^\d+ changed candles of service classical have waited to be computed since /,
    ];
    const may = [
      /^subscription refuses has waited since /,
      /^subscription hangs cannot be sent: /,
      // Until it is made again.
      /^subscription works cannot be sent: QueueDoesNotExist/,
      // While it is filled with what was lost.
      /^subscription works is sent again what its queue has lost, since /,
    ];
    await withSessions(sql, async ({ sql: session }) => {
      await session`begin`;
      // Reading goes on.
      await session`lock table indicator.values in share mode`;
      const { lag, queues } = await untilShown(must, may);
      expectAge(lag['queue to indicator']?.seconds, since);
      expectAge(lag['delta to queue']?.seconds, since);
      expect(lag['tick to delta']?.seconds ?? 0).toBeLessThan(soonSeconds);
      for (const name of ['refuses', 'hangs']) {
        expectAge(queues[name]?.waits, since);
        expectCandles(queues[name]?.pending, since);
      }
      expect(queues.refuses?.error).toContain('AccessDenied');
      // Its queue was made again.
      expect(queues.works?.pending).toBeLessThan(5);
      expect(queues.works?.error).toBeNull();
      await expectNotReady(must);
      await session`rollback`;
    });
  });

  it('tell of a frozen publisher and a killed page', async () => {
    const since = Date.now();
    freeze('publish');
    await kill('web');
    const must = [
      /^process publish is not running$/,
      /^process web is not running$/,
      /^changes of 2 instruments have waited to be captured since /,
    ];
    const may = [
      /^\d+ candles are over and were not closed/,
      // What it had in its hand, and what it sent last.
      /^subscription [\w.]+ has waited since /,
    ];
    const { lag } = await untilShown(must, may);
    expectAge(lag['tick to delta']?.seconds, since);
  });

  it('tell of frozen indicators, a silent source, and messages that a queue refuses for good', async () => {
    breakQueue('rejects', 'reject');
    undo.push(() => sql`select ops.redrive('rejects')`);
    await waitFor('a message is refused', async () => (await views()).queues.rejects?.dead, {
      until: dead => (dead ?? 0) > 0,
    });
    await untilShown([/^\d+ messages are in outbox.dead_letters$/]);
    // What is on its way has its answer long before they are sent again.
    system.gate.set('rejects', undefined);
    const since = Date.now();
    freeze('indicators');
    undo.push(() => oanda.goSilent(false));
    oanda.goSilent(true);
    const must = [
      /^service classical is not running$/,
      /^service models is not running$/,
      /^service sql is not running$/,
      /^\d+ indicators of service classical have been behind their candles since /,
      // It takes connections and sends nothing.
      /^source oanda (is disconnected: nothing came for 10 s$|has been silent since )/,
      /^\d+ messages are in outbox.dead_letters$/,
    ];
    // What they had in their hand.
    const may = [/^\d+ changed candles of service classical have waited to be computed since /];
    const { lag, queues } = await untilShown(must, may);
    expectAge(lag['queue to indicator']?.seconds, since);
    expect(queues.rejects?.dead).toBeGreaterThan(0);
    const [letters] = await sql<{ count: number }[]>`select count(*)::int from ops.dead_letters`;
    expect(letters?.count).toBe(queues.rejects?.dead);
    await expectNotReady(must);
  });

  it('tell of a queue server that is down, and of an ingest without its database', async () => {
    const since = Date.now();
    undo.push(() => system.startQueue());
    await system.stopQueue();
    breakDatabaseOf('ingest', 'refuse');
    const must = [
      /^process ingest is not running$/,
      /^source oanda has been silent since /,
      ...[...subscriptions, 'indicators\\.classical'].map(
        name => new RegExp(`^subscription ${name} (cannot be sent: |has waited since )`),
      ),
    ];
    // What was in the queue when it went down.
    const may = [/^\d+ indicators of service classical have been behind their candles since /];
    const { lag, queues } = await untilShown(must, may);
    expectAge(lag['delta to queue']?.seconds, since);
    for (const name of subscriptions) expectCandles(queues[name]?.pending, since);
    await expectNotReady(must);
  });

  it('tell of indicators that get no answer from the database, and of captures that wait', async () => {
    const since = Date.now();
    breakDatabaseOf('indicators', 'swallow');
    const must = [
      /^service classical is not running$/,
      /^service models is not running$/,
      /^service sql is not running$/,
      /^changes of 2 instruments have waited to be captured since /,
    ];
    const may = [
      /^\d+ candles are over and were not closed/,
      /^\d+ indicators of service classical have been behind their candles since /,
      /^\d+ changed candles of service classical have waited to be computed since /,
      // What was captured last and not claimed yet.
      /^subscription [\w.]+ has waited since /,
    ];
    await withSessions(sql, async ({ sql: session }) => {
      await session`begin`;
      await session`select pg_advisory_xact_lock(hashtext('outbox.capture_deltas'))`;
      const { lag } = await untilShown(must, may);
      expectAge(lag['tick to delta']?.seconds, since);
      await expectNotReady(must);
      await session`rollback`;
    });
  });
});
