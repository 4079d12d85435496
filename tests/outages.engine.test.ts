import { afterEach, expect, it } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import type { Tick } from '../workers/ingest/source.ts';
import type { CandleDelta } from '../workers/messages.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import type { GateFault } from './support/queue_gate.ts';
import {
  createSubscriber,
  expectHoldsStored,
  keyOf,
  type Subscriber,
} from './support/subscriber.ts';
import { type System, startSystem } from './support/system.ts';
import { shuffled, ticksOf } from './support/tick_series.ts';
import { waitFor } from './support/wait.ts';

const all = ['1s', '1m', '5m', '15m', '1h', '4h', '1d'];

describeOnEngine('An outage', database => {
  const { sql, engine } = database;
  const feed = createFeed(sql);
  let system: System;

  afterEach(async () => {
    await system.stopAll();
    // What it left must not reach the next test's queues.
    await sql`select outbox.unsubscribe(subscription) from ops.queues`;
  });

  /** The publisher, and a subscriber to each of some new instruments. */
  async function start(count = 1) {
    system = await startSystem(database);
    const [publisher] = await Promise.all([system.start('publish'), system.start('upkeep')]);
    const subscribers = await Promise.all(
      Array.from({ length: count }, async () => {
        const symbol = await addInstrument(sql);
        await sql`select outbox.subscribe(${symbol}, ${symbol}, ${symbol})`;
        return { symbol, at: createSubscriber(system.sqs, symbol) };
      }),
    );
    return { publisher, subscribers };
  }

  async function record(ticks: readonly Tick[]): Promise<void> {
    for (let first = 0; first < ticks.length; first += 500) {
      await feed.recordTicks('manual', ticks.slice(first, first + 500));
    }
    await feed.nudge();
  }

  async function expectAll(symbol: string, subscriber: Subscriber): Promise<void> {
    await waitFor(
      `${symbol} holds what is stored`,
      async () => {
        await subscriber.read();
        await expectHoldsStored(sql, subscriber, { symbol, timeframes: all, side: 'mid' });
        return true;
      },
      { deadlineMs: 60_000, explain: system.logs },
    );
  }

  async function faults(): Promise<string> {
    const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
    return row?.faults.join('\n') ?? '';
  }

  /** Within the fifteen seconds in which health has to turn (and a moment for the question). */
  const untilFault = (what: RegExp) =>
    waitFor(`ops.status says ${what}`, faults, {
      until: text => what.test(text),
      deadlineMs: 16_000,
      explain: system.logs,
    });

  const untilNoFault = (what: RegExp) =>
    waitFor(`ops.status no longer says ${what}`, faults, {
      until: text => !what.test(text),
      deadlineMs: 60_000,
      explain: system.logs,
    });

  for (const fault of ['hang', 'refuse'] satisfies GateFault[]) {
    it(`of one queue (${fault}) delays no other, is told, and loses nothing`, async () => {
      const { subscribers } = await start(2);
      const [sick, well] = subscribers;
      if (sick === undefined || well === undefined) throw new Error('no subscribers');
      const minutes = ticksOf(sick.symbol, 40);
      await record(minutes.slice(0, 10));
      await expectAll(sick.symbol, sick.at);
      system.gate.set(sick.symbol, fault);

      const delays: number[] = [];
      for (const [index, tick] of minutes.slice(10).entries()) {
        await record([tick, { ...tick, symbol: well.symbol }]);
        const recordedAt = performance.now();
        await waitFor('the tick is a message to the other', async () => {
          await well.at.read();
          const day = well.at.held().find(candle => candle.timeframe === '1d');
          return day?.tick_count === index + 1;
        });
        delays.push(performance.now() - recordedAt);
      }
      delays.sort((a, b) => a - b);
      const [median, worst] = [delays[15] ?? 0, delays.at(-1) ?? 0];
      console.info(
        `${engine}, beside a queue that ${fault}s: ${median.toFixed(0)} ms to the message, ${worst.toFixed(0)} ms at worst`,
      );
      await untilFault(new RegExp(`subscription ${sick.symbol} (cannot be sent|has waited)`));
      const [queue] = await sql`
        select pending::int > 0 as is_waiting from ops.queues where subscription = ${sick.symbol}`;
      expect(queue).toEqual({ is_waiting: true });
      expect(await faults()).not.toContain(well.symbol);

      system.gate.set(sick.symbol, undefined);
      await expectAll(sick.symbol, sick.at);
      await expectAll(well.symbol, well.at);
      await untilNoFault(/subscription/);
    });
  }

  it('of the queue for an hour of changes costs a line per candle, and is made up for', async () => {
    const { subscribers } = await start();
    const [{ symbol, at }] = subscribers as [(typeof subscribers)[number]];
    const ticks = ticksOf(symbol, 4_000);
    await record(ticks.slice(0, 400));
    await expectAll(symbol, at);
    await system.stopQueue();
    for (let first = 400; first < ticks.length; first += 200) {
      await record(ticks.slice(first, first + 200));
    }
    await untilFault(new RegExp(`subscription ${symbol} (cannot be sent|has waited)`));
    await waitFor('all is captured', async () => {
      const [row] = await sql`select from outbox.changes`;
      return row === undefined;
    });
    const [waiting] = await sql<{ deliveries: number; candles: number }[]>`
      select (select count(*)::int from outbox.deliveries) as deliveries,
        (select count(*)::int from outbox.candles) as candles`;
    expect(waiting?.deliveries).toBeLessThanOrEqual(waiting?.candles ?? 0);

    const first = Date.parse(ticks[400]?.observedAt ?? '');
    const last = Date.parse(ticks.at(-1)?.observedAt ?? '');
    await system.startQueue();
    const startedAt = performance.now();
    await waitFor(
      'nothing waits',
      async () => {
        const [row] = await sql<{ count: number }[]>`select count(*)::int from outbox.deliveries`;
        return row?.count === 0;
      },
      { deadlineMs: 60_000, explain: system.logs },
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    console.info(
      `${engine}, queue away: ${waiting?.deliveries} candles of ${(last - first) / 1_000} s were sent in ${seconds.toFixed(1)} s`,
    );
    await expectAll(symbol, at);
    await untilNoFault(/subscription/);
  });

  it('of the publisher, stopped and continued, is told and made up for', async () => {
    const { publisher, subscribers } = await start();
    const [{ symbol, at }] = subscribers as [(typeof subscribers)[number]];
    const ticks = ticksOf(symbol, 900);
    await record(ticks.slice(0, 300));
    await expectAll(symbol, at);
    publisher.freeze();
    await record(shuffled(ticks.slice(300)));
    await untilFault(/process publish is not running/);
    publisher.thaw();
    await expectAll(symbol, at);
    await untilNoFault(/process publish|subscription/);
  });

  it('of nothing at all, a busy minute, closes each candle once, and tells again only what changed', async () => {
    const { subscribers } = await start();
    const [{ symbol, at }] = subscribers as [(typeof subscribers)[number]];
    const closed = `${symbol}-closed`;
    await sql`select outbox.subscribe(${closed}, ${closed}, ${symbol}, closed_only => true)`;
    const atClosed = createSubscriber(system.sqs, closed);
    const late: Tick[] = [];
    for (let step = 0; step < 40; step++) {
      const from = new Date(Date.now() - 500).toISOString();
      const ticks = ticksOf(symbol, 12, { from }).map((tick, index) => ({
        ...tick,
        observedAt: new Date(Date.parse(from) + index * 30).toISOString(),
      }));
      late.push(...ticks.filter((_, index) => index % 6 === 1));
      await record(ticks.filter((_, index) => index % 6 !== 1));
      if (step % 8 === 7) await record(late.splice(0, 10));
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    await record(late);
    await system.settled();
    await waitFor('every second is closed', async () => {
      await Promise.all([at.read(), atClosed.read()]);
      return atClosed.held().length > 0 && secondsOf(at).every(candle => candle.is_closed);
    });
    await expectAll(symbol, at);
    const changedAfterClosing = expectClosings(at.revisions());
    expect(expectClosings(atClosed.revisions())).toBeGreaterThan(0);
    expect(changedAfterClosing).toBeGreaterThan(0);
    expect(atClosed.revisions().every(candle => candle.is_closed)).toBe(true);
  });
});

function secondsOf(subscriber: Subscriber): CandleDelta[] {
  return subscriber.held().filter(candle => candle.timeframe === '1s');
}

/** In the order of its revisions a candle never opens again, and each later state differs from the one before. */
function expectClosings(revisions: readonly CandleDelta[]): number {
  let changedAfterClosing = 0;
  for (const [key, states] of Map.groupBy(revisions, keyOf)) {
    const ordered = states.toSorted((a, b) => a.revision - b.revision);
    for (const [index, state] of ordered.entries()) {
      const before = ordered[index - 1];
      if (before === undefined) continue;
      expect(state.is_closed || !before.is_closed, `${key} opened again`).toBe(true);
      const { revision: _, ...content } = state;
      const { revision: __, ...contentBefore } = before;
      expect(content, `${key} told twice`).not.toEqual(contentBefore);
      if (before.is_closed) changedAfterClosing += 1;
    }
  }
  return changedAfterClosing;
}
