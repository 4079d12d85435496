import { expect } from 'vitest';
import type { Sql } from '../../db/runtime/database.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { simulatedTicks } from '../../workers/ingest/sources/simulated/source.ts';
import { epochMicroseconds } from '../../workers/ingest/time.ts';
import { expectCandlesOf } from './candles.ts';
import { createSubscriber, expectHoldsStored, type Subscriber } from './subscriber.ts';
import { type System, startSystem } from './system.ts';
import { addAverages, expectValuesOf, registerKinds } from './values.ts';
import { waitFor } from './wait.ts';

const symbols = ['EUR_USD.SIM', 'USD_JPY.SIM', 'BTC_USD.SIM'];
const timeframes = ['1s', '1m', '5m', '1h', '1d'];
/** The seed of the process's simulated market. */
const seed = 1;

/** The simulated market through the real processes, with somebody who subscribed to it. */
export interface LiveMarket {
  readonly system: System;
  readonly sql: Sql;
  readonly subscriber: Subscriber;
  startIngest(): Promise<void>;
  /** Until ticks of now have become values; says after how many milliseconds. */
  resumed(since: number): Promise<number>;
  /** Ends ingest in order, and checks everything against what the market must have been. */
  expectNothingLost(): Promise<void>;
}

export async function startMarket(database: {
  readonly url: string;
  readonly sql: Sql;
}): Promise<LiveMarket> {
  const { sql } = database;
  const feed = createFeed(sql);
  await registerKinds(sql);
  // As the process does when it starts.
  await feed.registerSource({ name: 'simulated', isSimulated: true, description: '' }, false);
  for (const symbol of symbols) {
    await feed.addInstrument('simulated', {
      symbol,
      description: 'simulated',
      pricePrecision: 5,
    });
    await addAverages(sql, symbol, '1s', { fast: 3, slow: 10 });
    for (const timeframe of timeframes) {
      await sql`select outbox.subscribe('watcher', 'watcher', ${symbol}, ${timeframe})`;
    }
  }
  const system = await startSystem(database);
  const subscriber = createSubscriber(system.sqs, 'watcher');
  let ingest = { stop: async () => ({}) as object };

  const readAll = async (): Promise<boolean> => {
    await subscriber.read();
    for (const symbol of symbols) {
      await expectHoldsStored(sql, subscriber, { symbol, timeframes, side: 'mid' });
    }
    return true;
  };

  return {
    system,
    sql,
    subscriber,
    async startIngest() {
      const args = ['--source', 'simulated', '--symbols', symbols.join(','), '--history', '0.2'];
      ingest = await system.start('ingest', args);
    },
    async resumed(since) {
      const from = new Date(since + 1_000).toISOString();
      await waitFor(
        'prices of now are values',
        async () => {
          const [row] = await sql<{ fresh: number }[]>`
            select count(*)::int as fresh, (select max(observed_at) from feed.ticks) as newest_tick,
              (select max(captured_at) from outbox.candles) as captured,
              (select max(last_sent_at) from outbox.subscriptions) as sent,
              (select count(*)::int from indicator.pending) as pending
            from indicator.values as v
            where v.bucket >= date_trunc('second', ${from}::text::timestamptz)
              and v.value is not null`;
          return row;
        },
        { until: row => (row?.fresh ?? 0) > 0, explain: system.logs },
      );
      return Date.now() - since;
    },
    async expectNothingLost() {
      await ingest.stop();
      await system.settled();
      for (const symbol of symbols) {
        const ticks = await expectWholeMarket(sql, symbol);
        await expectCandlesOf(sql, symbol, ticks);
        expect(await expectValuesOf(sql, symbol, ticks)).toBeGreaterThan(100);
      }
      await waitFor('the subscriber holds what is stored', readAll, { explain: system.logs });
    },
  };
}

/** Every tick of the market between the first and the last stored one is stored, and nothing else. */
async function expectWholeMarket(sql: Sql, symbol: string): Promise<Tick[]> {
  const stored = await readTicks(sql, symbol);
  const [first] = stored;
  const last = stored.at(-1);
  if (first === undefined || last === undefined) throw new Error(`${symbol} has no ticks`);
  const from = epochMicroseconds(first.observedAt);
  const expected = simulatedTicks(seed, [symbol], from, epochMicroseconds(last.observedAt) + 1);
  expect(stored.length, symbol).toBe(expected.length);
  expect(stored).toEqual(expected);
  return stored;
}

/** In the order of time. */
export async function readTicks(sql: Sql, symbol: string): Promise<Tick[]> {
  const rows = await sql<Tick[]>`
    select ${symbol} as symbol,
      to_char(t.observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "observedAt",
      t.seq::int, t.bid, t.ask, t.last, t.size
    from feed.ticks as t where t.instrument_id = feed.instrument_id(${symbol})
    order by t.observed_at, t.seq`;
  return rows.map(row => ({ ...row }));
}
