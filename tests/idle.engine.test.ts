import { afterEach, expect, it } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { readMessages } from './support/subscriber.ts';
import { type System, startSystem } from './support/system.ts';
import { tickOf } from './support/ticks.ts';
import { waitFor } from './support/wait.ts';

describeOnEngine('In a quiet market', database => {
  const { sql } = database;
  const feed = createFeed(sql);
  let system: System;

  afterEach(async () => {
    await system.stopAll();
    // Services keep theirs for as long as they are there.
    await sql`select indicator.remove(indicator_id) from indicator.definitions`;
    await sql`select indicator.remove_service(service) from indicator.services`;
    await sql`select outbox.unsubscribe(subscription) from ops.queues`;
  });

  async function databaseTime(): Promise<string> {
    const [row] = await sql<[{ now: string }]>`
      select to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`;
    return row.now;
  }

  /** One tick each of some new instruments, of the same moment and in one statement. */
  async function tickOnce(symbols: readonly string[], bid = 1): Promise<string> {
    const now = await databaseTime();
    await feed.recordTicks(
      'manual',
      symbols.map(symbol => tickOf(symbol, now, { bid })),
    );
    await feed.nudge();
    return now;
  }

  it('all candles of a moment close in one message, and not before it', async () => {
    system = await startSystem(database);
    await system.start('publish');
    const symbols = await Promise.all([1, 2, 3].map(() => addInstrument(sql)));
    await sql`select outbox.subscribe('closing', 'closing', symbols => ${symbols}::text[],
      timeframes => '{1s}', sides => '{bid}', closed_only => true)`;
    for (const bid of [1, 2]) {
      const now = await tickOnce(symbols, bid);
      const messages = await waitFor(
        'the candles closed',
        () => readMessages(system.sqs, 'closing'),
        { until: read => read.length > 0, explain: system.logs },
      );
      expect(messages).toHaveLength(1);
      const [message] = messages;
      const bucket = `${now.slice(0, 19)}Z`;
      expect(message?.candles.map(candle => candle.symbol).sort()).toEqual([...symbols].sort());
      for (const candle of message?.candles ?? []) {
        expect(candle).toMatchObject({ bucket, close: bid, is_closed: true });
      }
      const closesAt = Date.parse(bucket) + 2_000;
      expect(Date.parse(message?.sent_at ?? '')).toBeGreaterThanOrEqual(closesAt);
    }
  });

  it('a paced candle goes when its time has come, and not before', async () => {
    system = await startSystem(database);
    await system.start('publish');
    const symbol = await addInstrument(sql);
    await sql`select outbox.subscribe('paced', 'paced', ${symbol}, '1d', 'bid', forming_every => '3 s')`;
    const now = Date.parse(await tickOnce([symbol]));
    const messages = await waitFor('it is sent', () => readMessages(system.sqs, 'paced'), {
      until: read => read.length > 0,
      explain: system.logs,
    });
    expect(messages).toMatchObject([{ candles: [{ symbol, timeframe: '1d', is_closed: false }] }]);
    const dueAt = now - (now % 3_000) + 3_000;
    expect(Date.parse(messages[0]?.sent_at ?? '')).toBeGreaterThanOrEqual(dueAt);
  });

  it('a plain INSERT without a nudge is published', async () => {
    system = await startSystem(database);
    await system.start('publish');
    const symbol = await addInstrument(sql);
    await sql`select outbox.subscribe('plain', 'plain', ${symbol}, '1d', 'bid')`;
    await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
      values (feed.instrument_id(${symbol}), clock_timestamp(), 1, 2)`;
    const messages = await waitFor('it is sent', () => readMessages(system.sqs, 'plain'), {
      until: read => read.length > 0,
      explain: system.logs,
    });
    expect(messages).toMatchObject([{ candles: [{ symbol, tick_count: 1 }] }]);
  });

  it('the processes ask for nothing but their heartbeat', async () => {
    system = await startSystem(database);
    const processes = ['upkeep', 'publish', 'indicators'] as const;
    await Promise.all(processes.map(name => system.start(name)));
    await waitFor('the first maintenance is over', async () => {
      const [row] =
        await sql`select begun_at > '-infinity' and revisions > 0 as is_over from ops.maintenance`;
      return row?.is_over === true;
    });
    // As if the one a minute later were over too.
    await sql`update ops.maintenance
      set begun_at = now(), is_unfinished = false, revisions = ops.drawn_revisions()`;
    await sql`update outbox.candles set is_closed = true`;
    await system.settled();
    let statements: { process: string; query: string }[] = [];
    await waitFor('nothing but heartbeats for three of them', async () => {
      const from = await databaseTime();
      const seen = new Map<string, { process: string; query: string }>();
      for (const end = Date.now() + 6_500; Date.now() < end; ) {
        const rows = await sql<{ process: string; query: string; begun: string }[]>`
          select application_name as process, query, query_start::text as begun
          from pg_stat_activity
          where datname = current_database() and application_name ~ '^foresight (upkeep|publish|indicators)'
            and query_start > ${from}::text::timestamptz`;
        for (const { process, query, begun } of rows)
          seen.set(`${process} ${begun}`, { process, query });
        await new Promise(resolve => setTimeout(resolve, 50));
      }
      statements = [...seen.values()];
      return statements.every(({ query }) => /(ops|indicator)\.beat/.test(query));
    });
    for (const process of processes) {
      const own = statements.filter(each => each.process === `foresight ${process}`);
      expect(own.length, process).toBeGreaterThanOrEqual(3);
    }
  });

  it('the queue of a new subscription is made', async () => {
    system = await startSystem(database);
    await system.start('publish');
    await sql`select outbox.subscribe('new', 'new', ${await addInstrument(sql)})`;
    expect(await waitFor('it is there', () => readMessages(system.sqs, 'new'))).toEqual([]);
  });
});
