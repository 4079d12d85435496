import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import type { Tick } from '../workers/ingest/source.ts';
import { expectCandlesOf } from './support/candles.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { createSubscriber, expectHoldsStored } from './support/subscriber.ts';
import { type System, startSystem } from './support/system.ts';
import { shuffled, ticksOf } from './support/tick_series.ts';
import { addAverages, expectValuesOf, registerKinds } from './support/values.ts';
import { waitFor } from './support/wait.ts';

const all = ['1s', '1m', '5m', '15m', '1h', '4h', '1d'];

describeOnEngine('the way from ticks to values', database => {
  const { sql } = database;
  const feed = createFeed(sql);
  let system: System;

  beforeAll(async () => {
    await registerKinds(sql);
    system = await startSystem(database);
    await Promise.all(
      (['upkeep', 'publish', 'indicators'] as const).map(name => system.start(name)),
    );
  });
  afterAll(() => system.stopAll());

  async function record(ticks: readonly Tick[], batch = 97): Promise<void> {
    for (let start = 0; start < ticks.length; start += batch) {
      await feed.recordTicks('manual', ticks.slice(start, start + batch));
    }
    await feed.nudge();
  }

  /** An instrument with two subscriptions, for everything and for closed candles. */
  async function prepare() {
    const symbol = await addInstrument(sql);
    await sql`select outbox.subscribe(${`${symbol}-all`}, ${`${symbol}-all`}, ${symbol})`;
    await sql`select outbox.subscribe(${`${symbol}-closed`}, ${`${symbol}-closed`}, ${symbol},
      closed_only => true)`;
    await addAverages(sql, symbol, '1s', { fast: 3, slow: 10 });
    return {
      symbol,
      everything: createSubscriber(system.sqs, `${symbol}-all`),
      closed: createSubscriber(system.sqs, `${symbol}-closed`),
      stored: { symbol, timeframes: all, side: 'mid' },
    };
  }

  async function latest(symbol: string, table: 'sent' | 'computed'): Promise<unknown> {
    const [row] =
      table === 'sent'
        ? await sql`select sent_count from outbox.subscriptions where name = ${`${symbol}-all`}`
        : await sql`select max(v.computed_at), max(v.revision) from indicator.values as v
            join indicator.definitions as d using (indicator_id)
            where d.instrument_id = feed.instrument_id(${symbol})`;
    return row;
  }

  it('makes candles, messages and values of ticks in any order, and nothing of their repetition', async () => {
    const { symbol, everything, closed, stored } = await prepare();
    const ticks = ticksOf(symbol, 1_500);
    await record(shuffled(ticks));
    await system.settled();
    await expectCandlesOf(sql, symbol, ticks);
    expect((await everything.read()).candles).toBeGreaterThan(1_500);
    await closed.read();
    await expectHoldsStored(sql, everything, stored);
    await expectHoldsStored(sql, closed, { ...stored, closedOnly: true });
    expect(await expectValuesOf(sql, symbol, ticks)).toBeGreaterThan(1_400);

    const before = [await latest(symbol, 'sent'), await latest(symbol, 'computed')];
    await record(ticks.toReversed());
    await system.settled();
    expect(await everything.read()).toEqual({ messages: 0, candles: 0 });
    expect([await latest(symbol, 'sent'), await latest(symbol, 'computed')]).toEqual(before);
  });

  it('sends forming candles to those who want them, and closed ones to all', async () => {
    const { symbol, everything, closed, stored } = await prepare();
    // Of now and a little ahead, so that the second is not over when it is captured.
    const observedAt = new Date(Date.now() + 2_000).toISOString();
    await record(ticksOf(symbol, 1).map(tick => ({ ...tick, observedAt })));
    await waitFor('the second is closed for both', async () => {
      await Promise.all([everything.read(), closed.read()]);
      const isClosed = (candle: { timeframe: string; is_closed: boolean }) =>
        candle.timeframe === '1s' && candle.is_closed;
      return everything.held().some(isClosed) && closed.held().some(isClosed);
    });
    expect(closed.held().every(candle => candle.is_closed)).toBe(true);
    expect(everything.held()).toHaveLength(all.length);
    expect(everything.revisions().length).toBeGreaterThan(all.length);
    await waitFor('the subscriber holds what is stored', async () => {
      await everything.read();
      await expectHoldsStored(sql, everything, stored);
      return true;
    });
  });

  it('carries a plain INSERT without any nudge within five seconds', async () => {
    const { symbol, everything } = await prepare();
    await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
      values (feed.instrument_id(${symbol}), '2026-03-02 10:00Z', 1, 2)`;
    await waitFor(
      'every timeframe arrived',
      async () => {
        await everything.read();
        return everything.held().length === all.length;
      },
      { deadlineMs: 5_000, explain: system.logs },
    );
  });

  it('tells of late ticks by higher revisions, and computes the values again that they change', async () => {
    const { symbol, everything, stored } = await prepare();
    const ticks = ticksOf(symbol, 400);
    const late = ticks.filter((_, index) => index % 40 === 5);
    const early = ticks.filter(tick => !late.includes(tick));
    await record(early);
    await system.settled();
    // Upkeep may be at it, too.
    await waitFor('the candles are stored', async () => {
      await sql`call feed.advance_candles()`;
      return true;
    });
    await everything.read();
    await expectHoldsStored(sql, everything, stored);
    await expectValuesOf(sql, symbol, early);
    const before = new Map(
      everything.held().map(({ timeframe, bucket, revision }) => [timeframe + bucket, revision]),
    );

    await record(late);
    await system.settled();
    await everything.read();
    await expectCandlesOf(sql, symbol, ticks);
    await expectHoldsStored(sql, everything, stored);
    await expectValuesOf(sql, symbol, ticks);
    const day = everything.held().find(candle => candle.timeframe === '1d');
    expect(day?.revision).toBeGreaterThan(before.get(`1d${day?.bucket}`) ?? 0);
  });

  it('makes a deleted queue again and sends everything again', async () => {
    const { symbol, everything, stored } = await prepare();
    const ticks = ticksOf(symbol, 500);
    await record(ticks);
    await system.settled();
    await everything.read();
    for (const queue of [`${symbol}-all`, 'foresight-classical']) {
      const { QueueUrl } = await system.sqs.send(new GetQueueUrlCommand({ QueueName: queue }));
      await system.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    }
    const more = ticksOf(symbol, 1, { from: '2026-03-02T23:00:00Z' });
    await record(more);
    const newcomer = createSubscriber(system.sqs, `${symbol}-all`);
    await waitFor(
      'a subscriber that begins now has everything',
      async () => {
        await newcomer.read();
        return newcomer.held().length >= everything.held().length;
      },
      { explain: system.logs },
    );
    await system.settled();
    await newcomer.read();
    await expectHoldsStored(sql, newcomer, stored);
    await expectValuesOf(sql, symbol, [...ticks, ...more]);
  });

  it('loses nothing while the queue is away', async () => {
    const { symbol, everything, stored } = await prepare();
    const ticks = ticksOf(symbol, 600);
    await record(ticks.slice(0, 200));
    await system.stopQueue();
    await record(ticks.slice(200));
    await waitFor('the failure is written down', async () => {
      const [row] = await sql`select from ops.queues
        where subscription = ${`${symbol}-all`} and last_error is not null and pending > 0`;
      return row !== undefined;
    });
    await system.startQueue();
    await system.settled();
    await everything.read();
    await expectCandlesOf(sql, symbol, ticks);
    await expectHoldsStored(sql, everything, stored);
    await expectValuesOf(sql, symbol, ticks);
    const [row] =
      await sql`select last_error from ops.queues where subscription = ${`${symbol}-all`}`;
    expect(row?.last_error).toBeNull();
  });
});
