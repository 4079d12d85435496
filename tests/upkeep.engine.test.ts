import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import type { Tick } from '../workers/ingest/source.ts';
import { expectCandlesOf } from './support/candles.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { addIndicator, computeAll, publish, registerCatalog } from './support/indicators.ts';
import { quoteOfAge } from './support/outbox.ts';
import { createSubscriber, type Subscriber } from './support/subscriber.ts';
import { type System, startSystem } from './support/system.ts';
import { secondsAfter, tickOf } from './support/ticks.ts';
import { waitFor } from './support/wait.ts';

describeOnEngine('Upkeep', database => {
  const { sql, engine } = database;
  const feed = createFeed(sql);
  const isMaterialised = engine === 'timescaledb';
  let system: System;
  let symbol: string;
  let subscriber: Subscriber;
  let sent: Tick[];

  beforeEach(async () => {
    system = await startSystem(database);
    symbol = await addInstrument(sql);
    await sql`select outbox.subscribe(${symbol}, ${symbol}, ${symbol}, '1d', 'bid')`;
    subscriber = createSubscriber(system.sqs, symbol);
    sent = [];
  });

  afterEach(async () => {
    await system.stopAll();
    await sql`select outbox.unsubscribe(${symbol})`;
  });

  /** Stores a tick of this age, with or without a nudge. */
  async function record(age: string, isNudged = true): Promise<void> {
    const tick = await quoteOfAge(sql, symbol, age, 1 + sent.length);
    await feed.recordTicks('manual', [tick]);
    sent.push(tick);
    if (isNudged) await feed.nudge();
  }

  /** How many ticks the published candles of the subscriber hold. */
  async function published(): Promise<number> {
    await subscriber.read();
    return subscriber.held().reduce((sum, candle) => sum + candle.tick_count, 0);
  }

  const untilPublished = (count: number) =>
    waitFor(`${count} ticks are published`, published, {
      until: seen => seen === count,
      explain: system.logs,
    });

  /** Until candles of now were stored, so that an older tick is a late one. */
  async function untilStored(): Promise<void> {
    if (!isMaterialised) return;
    await waitFor('candles of now are stored', async () => {
      const [row] = await sql<[{ is_stored: boolean }]>`
        select feed.refresh_horizon() > now() - interval '1 minute' as is_stored`;
      return row.is_stored;
    });
  }

  async function faults(): Promise<string> {
    const [row] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
    return row.faults.join('\n');
  }

  it('brings late ticks out, nudged or not, and only by itself', async () => {
    const publisher = await system.start('publish');
    const upkeep = await system.start('upkeep');
    await record('0 s');
    await untilPublished(1);
    await untilStored();
    await record('2 hours');
    await untilPublished(2);
    await record('3 hours', false);
    await untilPublished(3);

    await system.kill9('upkeep');
    await waitFor('it is told', faults, {
      until: text => /^process upkeep is not running$/m.test(text),
    });
    expect(await faults()).not.toMatch(/process publish/);
    await record('0 s');
    await untilPublished(4);
    await record('2 hours');
    if (isMaterialised) {
      // A live tick goes by a late one that waits.
      await record('0 s');
      await untilPublished(5);
      const [row] = await sql<[{ waiting: number }]>`
        select count(*)::int as waiting from outbox.changes`;
      expect(row.waiting).toBe(1);
    }
    await system.start('upkeep');
    await untilPublished(sent.length);
    await expectCandlesOf(sql, symbol, sent);
    await waitFor('it is alive', faults, {
      until: text => !/process (upkeep|publish)/.test(text),
    });
    expect(publisher.log()).toBe('');
    expect(upkeep.log()).toBe('');
  });

  it('brings the track record up to date', async () => {
    await registerCatalog(sql);
    const ticks = Array.from({ length: 40 }, (_, minute) =>
      tickOf(symbol, secondsAfter(minute * 60), { bid: 10 + (minute % 3) }),
    );
    await feed.recordTicks('manual', ticks);
    await publish(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await computeAll(sql);
    await sql`update ops.maintenance set begun_at = '-infinity'`;
    await system.start('upkeep');
    const rows = await waitFor(
      'the history is scored',
      () => sql`select horizon, candles from track.record_of(${id}) where not as_said`,
      { until: ([row]) => row?.candles > 0, explain: system.logs },
    );
    expect([...rows]).toEqual([
      { horizon: 1, candles: 38 },
      { horizon: 5, candles: 34 },
      { horizon: 20, candles: 19 },
    ]);
    expect(await faults()).not.toContain('score');
  });

  it('and the publisher take no job of each other', async () => {
    const jobsLeft = async (task: string): Promise<number> => {
      const [row] = await sql<[{ count: number }]>`
        select count(*)::int from graphile_worker.jobs where task_identifier = ${task}`;
      return row.count;
    };
    await sql`delete from graphile_worker._private_jobs`;
    await system.start('publish');
    await sql`select outbox.nudge_upkeep()`;
    await sql`select outbox.nudge_publish()`;
    await waitFor('its own job is done', () => jobsLeft('publish_deltas'), {
      until: left => left === 0,
    });
    expect(await jobsLeft('store_candles')).toBe(1);
    await system.kill9('publish');
    await sql`select outbox.nudge_publish()`;
    await system.start('upkeep');
    await waitFor('its own job is done', () => jobsLeft('store_candles'), {
      until: left => left === 0,
    });
    expect(await jobsLeft('publish_deltas')).toBeGreaterThan(0);
  });

  it('and the publisher may run twice at once', async () => {
    const names = ['upkeep', 'upkeep', 'publish', 'publish'] as const;
    const workers = await Promise.all(names.map(name => system.start(name)));
    await record('0 s');
    await untilStored();
    for (let round = 0; round < 20; round++) {
      await record(round % 2 === 0 ? '0 s' : `${round} minutes`);
    }
    await untilPublished(sent.length);
    await system.settled();
    await expectCandlesOf(sql, symbol, sent);
    expect(workers.map(worker => worker.log()).join('')).toBe('');
  });
});
