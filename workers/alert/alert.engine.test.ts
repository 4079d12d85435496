import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeleteQueueCommand, GetQueueUrlCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventsOf } from '../../tests/support/alerts.ts';
import { addInstrument, describeOnEngine, testLogger } from '../../tests/support/database.ts';
import { addIndicator, registerCatalog } from '../../tests/support/indicators.ts';
import { type System, startSystem } from '../../tests/support/system.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { createFeed } from '../ingest/feed.ts';
import type { Queue } from '../queue.ts';
import { createAlerts } from './alert.ts';
import { tellAlerts } from './tell_alerts.ts';
import { createWebhook, signatureOf } from './webhook.ts';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Reply = (received: Received) => { status: number; retryAfter?: string } | 'never';

/** A receiver of webhooks that answers as it is told to. */
async function startReceiver() {
  const received: Received[] = [];
  let reply: Reply = () => ({ status: 200 });
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { path: request.url ?? '', headers: request.headers, body };
    received.push(one);
    const answer = reply(one);
    if (answer === 'never') return;
    const { status, retryAfter } = answer;
    response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    received,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer(next: Reply) {
      reply = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describeOnEngine('An alert', database => {
  const { sql, as } = database;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let symbol: string;
  let indicatorId: number;
  let minute: number;

  beforeAll(() => registerCatalog(sql));

  beforeEach(async () => {
    receiver = await startReceiver();
    await sql`delete from alert.rules`;
    symbol = await addInstrument(sql);
    indicatorId = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    minute = 0;
    await say(-1);
  });

  afterEach(() => receiver.close());

  /** Stores the verdict of the next candle, or of another one. */
  async function say(verdict: number, ofMinute = minute++): Promise<void> {
    await sql`select indicator.record_values(array[${indicatorId}::int],
      array[${secondsAfter(60 * ofMinute)}::text::timestamptz], '{"{1,1,1}"}', array[${verdict}::smallint], array[${verdict}::real],
      '{null}', '{null}', '{null}', '{2}', array[nextval('outbox.revision')])`;
  }

  async function addRule(target: { webhook?: string; queue?: string }): Promise<number> {
    const [row] = await sql<[{ id: number }]>`
      select alert.add('turns', 'verdict', ${symbol}, '1m', 'ma_cross', '{"fast": 1, "slow": 2}', 'bid',
        webhook => ${target.webhook ?? null}, queue => ${target.queue ?? null}) as id`;
    return row.id;
  }

  const logOf = async (ruleId: number) => [
    ...(await sql<
      {
        event_id: string;
        event: string;
        state: string;
        attempts: number;
        http_status: number | null;
        error: string | null;
        waits: number | null;
      }[]
    >`select event_id, event, state, attempts, http_status, error,
        extract(epoch from next_try_at - tried_at)::float8 as waits
      from alert.delivery_log where rule_id = ${ruleId} order by delivery_id`),
  ];

  describe('is delivered', () => {
    const stop = new AbortController();
    afterAll(() => stop.abort());
    /** A deliverer of this process, with the rights of the publisher's role. */
    const deliverer = (deadlineMs = 20_000) =>
      tellAlerts({
        alerts: createAlerts(as('foresight_publish')),
        webhook: createWebhook({ privateHosts: ['127.0.0.1'], deadlineMs }),
        queue: {} as Queue,
        logger: testLogger,
        signal: stop.signal,
        onRest: () => undefined,
      });

    it('with the same id and body each time, signed anew, until the receiver takes it', async () => {
      const rule = await addRule({ webhook: `${receiver.url}/hook?key=hidden` });
      const tell = deliverer();
      const replies = [{ status: 500 }, { status: 302 }, { status: 404 }, { status: 200 }];
      receiver.answer(() => replies.shift() ?? { status: 200 });
      await say(1);
      for (const tries of [1, 2, 3, 4]) {
        await tell();
        await waitFor('it was tried', async () => {
          const [row] = await logOf(rule);
          return row?.attempts === tries && row.state !== 'being tried';
        });
        await tell();
        const [row] = await logOf(rule);
        // Not before its time.
        expect(row?.attempts).toBe(tries);
        if (tries < 4) {
          expect(row).toMatchObject({
            state: 'waiting',
            error: expect.stringMatching(/^HTTP (500|302|404)/),
          });
          expect(row?.waits).toBeGreaterThanOrEqual(2 ** tries);
          expect(row?.waits).toBeLessThan(2 ** tries + 5);
        }
        await sql`update alert.deliveries set next_try_at = '-infinity'`;
      }
      expect(await logOf(rule)).toMatchObject([
        { state: 'delivered', attempts: 4, http_status: 200, error: null, waits: null },
      ]);
      const [event] = await eventsOf(sql, rule);
      const [{ secret }] = await sql<[{ secret: string }]>`select alert.secret(${rule})`;
      expect(receiver.received).toHaveLength(4);
      for (const { path, headers, body } of receiver.received) {
        expect(path).toBe('/hook?key=hidden');
        expect(headers['x-foresight-event-id']).toBe(event?.event_id);
        expect(JSON.parse(body)).toEqual(event?.body);
        expect(body).toBe(receiver.received[0]?.body);
        const timestamp = Number(headers['x-foresight-timestamp']);
        expect(headers['x-foresight-signature']).toBe(signatureOf(secret, timestamp, body));
      }
    });

    it('not sooner than the receiver asks for', async () => {
      const rule = await addRule({ webhook: receiver.url });
      receiver.answer(() => ({ status: 429, retryAfter: '120' }));
      await say(1);
      await deliverer()();
      await waitFor('it was tried', async () => (await logOf(rule))[0]?.http_status === 429);
      expect((await logOf(rule))[0]?.waits).toBeGreaterThanOrEqual(120);
      expect((await logOf(rule))[0]?.waits).toBeLessThan(125);
      receiver.answer(() => ({ status: 503, retryAfter: '999999' }));
      await sql`select alert.retry(${rule})`;
      await deliverer()();
      await waitFor('it was tried', async () => (await logOf(rule))[0]?.http_status === 503);
      expect((await logOf(rule))[0]?.waits).toBeLessThan(3_605);
    });

    it('in the order of its rule, and not delayed by those of another', async () => {
      const slow = await addRule({ webhook: `${receiver.url}/slow` });
      const fast = await addRule({ webhook: `${receiver.url}/fast` });
      receiver.answer(({ path }) => (path === '/slow' ? 'never' : { status: 200 }));
      const tell = deliverer(3_000);
      await say(1);
      await say(-1);
      await tell();
      // The first transition was none, and so the second is none either.
      await say(-1, 1);
      await tell();
      await waitFor('the other rule is told all', async () =>
        (await logOf(fast)).every(({ state }) => state === 'delivered'),
      );
      await waitFor('the slow one was tried', async () => (await logOf(slow))[0]?.error !== null);
      const events = (await logOf(slow)).map(({ event, attempts }) => [event, attempts]);
      expect(events).toEqual([
        ['fired', 1],
        ['fired', 0],
        ['taken back', 0],
        ['taken back', 0],
      ]);
      expect((await logOf(slow))[0]?.error).toBe('there was no answer within 3 seconds');
      receiver.answer(() => ({ status: 200 }));
      await sql`select alert.retry(${slow})`;
      await tell();
      await waitFor('it is told', async () =>
        (await logOf(slow)).every(({ state }) => state === 'delivered'),
      );
      for (const [path, rule] of [
        ['/slow', slow],
        ['/fast', fast],
      ] as const) {
        const ids = receiver.received
          .filter(each => each.path === path)
          .map(each => each.headers['x-foresight-event-id']);
        expect([...new Set(ids)]).toEqual((await logOf(rule)).map(each => each.event_id));
      }
    });

    it('never to an address that is private and was not allowed', async () => {
      const { port } = new URL(receiver.url);
      const named = await addRule({ webhook: `http://localhost:${port}/` });
      const mapped = await addRule({ webhook: `http://[::ffff:127.0.0.1]:${port}/` });
      await say(1);
      const tell = deliverer();
      await tell();
      for (const rule of [named, mapped]) {
        await waitFor('it was refused', async () => (await logOf(rule))[0]?.error !== null);
        expect((await logOf(rule))[0]?.error).toMatch(/^the address of .* is private/);
      }
      expect(receiver.received).toEqual([]);
    });

    it('or given up, which ops.status tells until something is delivered again', async () => {
      const faults = async () => {
        const [row] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
        return row.faults.filter(fault => fault.includes('alert'));
      };
      const rule = await addRule({ webhook: `${receiver.url}/token` });
      receiver.answer(() => ({ status: 500 }));
      const tell = deliverer();
      await say(1);
      await tell();
      await waitFor('it was tried', async () => (await logOf(rule))[0]?.http_status === 500);
      expect(await faults()).toEqual([]);
      await sql`update alert.deliveries set queued_at = now() - interval '1 minute'`;
      expect(await faults()).toEqual([`alert ${rule} (turns) cannot be delivered: HTTP 500`]);
      await sql`update alert.deliveries set queued_at = now() - interval '25 hours', next_try_at = '-infinity'`;
      await tell();
      await waitFor('it is given up', async () => (await logOf(rule))[0]?.state === 'given up');
      const [given] = await faults();
      expect(given).toMatch(/^1 messages of alert \d+ \(turns\) were given up since .*: HTTP 500$/);
      expect(given).not.toContain('token');
      receiver.answer(() => ({ status: 200 }));
      await say(-1);
      await tell();
      await waitFor('the next is told', async () => (await logOf(rule))[1]?.state === 'delivered');
      expect(await faults()).toEqual([]);
      expect([...(await sql`select alert.retry(${rule}) as queued`)]).toEqual([{ queued: 1 }]);
      await tell();
      await waitFor('it is told', async () => (await logOf(rule))[0]?.state === 'delivered');
      // When nobody delivers at all.
      await say(1);
      await sql`update indicator.marks set marked_at = now() - interval '1 minute'`;
      expect(await faults()).toHaveLength(1);
      await sql`select alert.detect()`;
      await sql`update alert.deliveries set queued_at = now() - interval '1 minute'`;
      expect(await faults()).toHaveLength(1);
      expect((await faults())[0]).toMatch(/^1 messages of alerts have waited to be sent since/);
    });

    it('or given up with all that wait as long behind it, and no more', async () => {
      const rule = await addRule({ webhook: receiver.url });
      receiver.answer(() => ({ status: 500 }));
      for (const verdict of [1, -1, 1, -1]) await say(verdict);
      await sql`select alert.detect()`;
      await sql`update alert.deliveries set queued_at = now() - interval '25 hours'
        where delivery_id < (select max(delivery_id) from alert.deliveries)`;
      const tell = deliverer();
      await tell();
      // An attempt is counted when it begins; what it comes to would undo the retry below.
      await waitFor('the last one was tried', async () => {
        const last = (await logOf(rule))[3];
        return last?.attempts === 1 && last.state === 'waiting';
      });
      expect(await logOf(rule)).toMatchObject([
        { state: 'given up', attempts: 1, error: 'HTTP 500' },
        { state: 'given up', attempts: 0, error: 'HTTP 500' },
        { state: 'given up', attempts: 0, error: 'HTTP 500' },
        { attempts: 1 },
      ]);
      expect([...(await sql`select alert.retry(${rule}) as queued`)]).toEqual([{ queued: 4 }]);
      receiver.answer(() => ({ status: 200 }));
      await tell();
      await waitFor('all are told', async () =>
        (await logOf(rule)).every(({ state }) => state === 'delivered'),
      );
    });

    it('and nowhere but there is the secret of its rule or the path of its URL told', async () => {
      const rule = await addRule({ webhook: `${receiver.url}/token?key=hidden` });
      const [{ secret }] = await sql<[{ secret: string }]>`select alert.secret(${rule})`;
      receiver.answer(() => ({ status: 500 }));
      await say(1);
      const tell = deliverer();
      await tell();
      await waitFor('it was tried', async () => (await logOf(rule))[0]?.http_status === 500);
      const seen = JSON.stringify([
        [...(await sql`select * from alert.rule_list`)],
        [...(await sql`select * from alert.delivery_log`)],
        [...(await sql`select * from alert.events`)],
        [...(await sql`select * from alert.faults`)],
        receiver.received.map(each => each.body),
      ]);
      expect(seen).toContain('127.0.0.1');
      for (const hidden of [secret, 'hidden', 'token']) expect(seen).not.toContain(hidden);
      expect(secret).toMatch(/^[0-9a-f]{64}$/);
      const [{ renewed }] = await sql<[{ renewed: string }]>`
        select alert.renew_secret(${rule}) as renewed`;
      expect(renewed).not.toBe(secret);
      expect([...(await sql`select alert.secret(${rule}) as secret`)]).toEqual([
        { secret: renewed },
      ]);
    });
  });

  describe('of the publisher', () => {
    let system: System;

    beforeEach(async () => {
      system = await startSystem(database);
    });

    afterEach(() => system.stopAll());

    const start = () => system.start('publish', [], { WEBHOOK_HOSTS: '127.0.0.1' });

    const delivered = (rule: number, count: number, deadlineMs = 30_000) =>
      waitFor(
        `${count} messages are delivered`,
        async () => (await logOf(rule)).filter(({ state }) => state === 'delivered').length,
        { until: found => found === count, deadlineMs, explain: system.logs },
      );

    it('reaches webhooks and queues, a queue that is missing too', async () => {
      await start();
      const hook = await addRule({ webhook: receiver.url });
      const queued = await addRule({ queue: 'alerts' });
      await say(1);
      await delivered(hook, 1);
      await delivered(queued, 1);
      const read = async () => {
        const { QueueUrl } = await system.sqs.send(new GetQueueUrlCommand({ QueueName: 'alerts' }));
        const { Messages = [] } = await system.sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
        );
        return Messages.map(({ Body = '' }) => JSON.parse(Body) as unknown);
      };
      expect(await read()).toEqual((await eventsOf(sql, queued)).map(({ body }) => body));
      const { QueueUrl } = await system.sqs.send(new GetQueueUrlCommand({ QueueName: 'alerts' }));
      await system.sqs.send(new DeleteQueueCommand({ QueueUrl }));
      await say(-1);
      await delivered(queued, 2);
      expect(await read()).toEqual((await eventsOf(sql, queued)).slice(1).map(({ body }) => body));
      const [status] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
      expect(status.faults.filter(fault => fault.includes('alert'))).toEqual([]);
    });

    it('is noted once and told at least once, whoever dies in the middle', async () => {
      const first = await start();
      const rule = await addRule({ webhook: receiver.url });
      receiver.answer(() => 'never');
      await say(1);
      await waitFor('it is on its way', () => receiver.received.length > 0, {
        explain: system.logs,
      });
      await first.kill9();
      receiver.answer(() => ({ status: 200 }));
      await say(-1);
      await Promise.all([start(), start()]);
      await say(1);
      await delivered(rule, 3, 60_000);
      const events = await eventsOf(sql, rule);
      expect(events.map(({ event, to_state }) => [event, to_state])).toEqual([
        ['fired', 'bullish'],
        ['fired', 'bearish'],
        ['fired', 'bullish'],
      ]);
      const ids = receiver.received.map(({ headers }) => headers['x-foresight-event-id']);
      // The first one twice: whether it was taken was not known.
      const [id] = events.map(({ event_id }) => event_id);
      expect(ids).toEqual([id, ...events.map(({ event_id }) => event_id)]);
    });

    it('on closed candles tells, of a live market, what each said when it was over', async () => {
      await Promise.all([start(), system.start('upkeep'), system.start('indicators')]);
      await sql`select indicator.add(${symbol}, '1s', 'ma_cross', '{"fast": 1, "slow": 2}', 'bid')`;
      const feed = createFeed(sql);
      let count = 0;
      /** A price now, up and down within each second. */
      const tick = async () => {
        const [{ now }] = await sql<[{ now: string }]>`
          select to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`;
        count += 1;
        await feed.recordTicks('manual', [tickOf(symbol, now, { bid: 100 + ((count * 7) % 11) })]);
        await feed.nudge();
      };
      const values = (except = 0) => sql`
        select l.bucket::text, l.verdict from indicator.values as l join indicator.definitions as d using (indicator_id)
        where d.timeframe = '1s' and d.instrument_id = feed.instrument_id(${symbol}) and l.verdict is not null offset ${except}`;
      await waitFor(
        'there are values',
        async () => {
          await tick();
          return (await values(2)).length > 0;
        },
        { explain: system.logs },
      );
      const [open, closed] = await Promise.all(
        [false, true].map(async closedOnly => {
          const [{ id }] = await sql<[{ id: number }]>`
            select alert.add('live', 'verdict', ${symbol}, '1s', 'ma_cross', '{"fast": 1, "slow": 2}', 'bid',
              closed_only => ${closedOnly}, webhook => ${receiver.url}) as id`;
          return id;
        }),
      );
      const fired = async (rule: number | undefined) =>
        (await eventsOf(sql, rule ?? 0)).filter(({ event }) => event === 'fired');
      await waitFor(
        'closed candles were told',
        async () => {
          await tick();
          return (await fired(closed)).filter(({ held_back }) => held_back === null).length >= 3;
        },
        { explain: system.logs },
      );
      await system.settled();
      const standing = () => sql<{ transitions: string[]; told: string[]; early: number }[]>`
        select array(
            select v.bucket || ' ' || s.states[v.verdict + 2] from (
              select l.bucket, l.verdict, lag(l.verdict) over (order by l.bucket) as before
              from indicator.values as l join alert.rules as r using (indicator_id)
              where r.rule_id = ${closed ?? 0} and l.verdict is not null
            ) as v, (values ('{bearish,neutral,bullish}'::text[])) as s(states)
            where v.before <> v.verdict and v.bucket >= (select r.from_bucket from alert.rules as r where r.rule_id = ${closed ?? 0})
            order by v.bucket
          ) as transitions,
          array(
            select e.bucket || ' ' || e.to_state from alert.events as e
            where e.rule_id = ${closed ?? 0} and e.event = 'fired' and not exists (
              select from alert.events as b where b.refers_to = e.event_id and b.event = 'taken back')
            order by e.bucket
          ) as told,
          (
            select count(*)::int from alert.events as e where e.rule_id = ${closed ?? 0}
              and (e.created_at < e.bucket + interval '2 seconds' or not (e.body ->> 'is_closed')::boolean)
          ) as early`;
      await waitFor(
        'all are told',
        async () => {
          const [row] = await standing();
          const log = [...(await logOf(open ?? 0)), ...(await logOf(closed ?? 0))];
          return (
            JSON.stringify(row?.told) === JSON.stringify(row?.transitions) &&
            log.every(({ state }) => state === 'delivered')
          );
        },
        { explain: system.logs },
      );
      expect((await standing())[0]?.early).toBe(0);
      // The other rule looks at candles that form.
      expect((await fired(open)).some(({ body }) => body.is_closed === false)).toBe(true);
      const ids = new Set(receiver.received.map(({ headers }) => headers['x-foresight-event-id']));
      const sent = await sql<{ event_id: string }[]>`select event_id from alert.deliveries`;
      expect([...ids].sort()).toEqual(sent.map(({ event_id }) => event_id).sort());
    });

    it('is told once by two that run at the same time', async () => {
      await Promise.all([start(), start()]);
      const rules = [
        await addRule({ webhook: receiver.url }),
        await addRule({ webhook: receiver.url }),
        await addRule({ webhook: receiver.url }),
      ];
      for (let n = 0; n < 10; n++) await say(n % 2 === 0 ? 1 : -1);
      for (const rule of rules) await delivered(rule, 10, 60_000);
      const ids = receiver.received.map(({ headers }) => headers['x-foresight-event-id']);
      expect(new Set(ids).size).toBe(30);
      expect(ids).toHaveLength(30);
    });
  });
});
