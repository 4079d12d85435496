import { beforeEach, expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { captureOnce, hasWork } from '../../../tests/support/outbox.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { waitFor } from '../../../tests/support/wait.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createUpkeep } from '../../../workers/upkeep/upkeep.ts';

describeOnEngine('Upkeep', ({ sql, engine }) => {
  const feed = createFeed(sql);
  const upkeep = createUpkeep(sql, sql);
  const isMaterialised = engine === 'timescaledb';

  /** An instrument whose candles, up to ten o'clock of a day that is over, are captured and stored. */
  async function storedMarket(): Promise<string> {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    await upkeep.advanceCandles();
    return symbol;
  }

  /** The tasks that a nudge after these ticks has jobs for. */
  async function nudged(): Promise<string[]> {
    await sql`delete from graphile_worker._private_jobs`;
    await feed.nudge();
    const rows = await sql<{ task: string }[]>`
      select task_identifier as task from graphile_worker.jobs order by 1`;
    return rows.map(row => row.task);
  }

  beforeEach(async () => {
    await sql`delete from outbox.candles`;
  });

  it('has nothing to do, and is not woken, while all ticks are in stored candles', async () => {
    expect(await upkeep.nextWorkIn()).toBeNull();
    await storedMarket();
    expect(await upkeep.nextWorkIn()).toBeNull();
    expect(await nudged()).toEqual(['publish_deltas']);
  });

  it('has the candles of a new timeframe to store, until they are stored', async () => {
    await storedMarket();
    await sql`select feed.add_timeframe('3h')`;
    if (isMaterialised) expect(await upkeep.nextWorkIn()).toBeLessThanOrEqual(0);
    await upkeep.advanceCandles();
    expect(await upkeep.nextWorkIn()).toBeNull();
  });

  it('is woken for late ticks, which the publisher leaves alone until they are refreshed', async () => {
    const symbol = await storedMarket();
    await feed.recordTicks('manual', [tickOf(symbol, at('09:00:00'), { bid: 2 })]);
    expect(await nudged()).toEqual(
      isMaterialised ? ['publish_deltas', 'store_candles'] : ['publish_deltas'],
    );
    expect(await hasWork(sql)).toBe(!isMaterialised);
    if (isMaterialised) expect(await upkeep.nextWorkIn()).toBeLessThanOrEqual(0);
    expect(await upkeep.refreshLate()).toBe(isMaterialised ? 1 : 0);
    expect(await upkeep.nextWorkIn()).toBeNull();
    expect(await hasWork(sql)).toBe(true);
    expect(await nudged()).toEqual(['publish_deltas']);
    await captureOnce(sql);
    expect(await hasWork(sql)).toBe(false);
  });

  it('has the candles of now to store a moment after they are over, until they are stored', async () => {
    const symbol = await storedMarket();
    const [now] = await sql<[{ observed: string; due: number }]>`
      select to_char(n.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as observed,
        extract(epoch from date_trunc('second', n.at) + interval '2.3 s')::float8 as due
      from (select clock_timestamp() as at) as n`;
    await feed.recordTicks('manual', [tickOf(symbol, now.observed, { bid: 2 })]);
    const [next] = await sql<[{ due: number | null }]>`
      select extract(epoch from ops.next_upkeep_at())::float8 as due`;
    expect(next.due).toBe(isMaterialised ? now.due : null);
    if (!isMaterialised) return;
    const isDue = async () => ((await upkeep.nextWorkIn()) ?? Number.POSITIVE_INFINITY) <= 0;
    await waitFor('it is over', isDue);
    await waitFor('it is stored, and the next to be is one of a coarser timeframe', async () => {
      await capture(sql);
      await upkeep.advanceCandles();
      return !(await isDue());
    });
  });

  it('says with its heartbeat what there is to do', async () => {
    const duties = await upkeep.beat('host', 1, ['worker-a']);
    expect(duties.is_maintenance_due).toBe(true);
    if (isMaterialised) expect(duties.next_work_in).toBeLessThan(60_000);
    else expect(duties.next_work_in).toBeNull();
    const [process] = await sql`select process, worker_ids from ops.processes`;
    expect(process).toEqual({ process: 'upkeep', worker_ids: ['worker-a'] });
    await upkeep.sayGoodbye('host', 1);
    expect([...(await sql`select from ops.processes`)]).toEqual([]);
  });

  it('tells whether the database works on a long call', async () => {
    await sql`create procedure public.take_long() language plpgsql as 'begin perform pg_sleep(1); end'`;
    expect(await upkeep.isCalling()).toBe(false);
    const call = sql`call public.take_long()`.execute();
    await waitFor('it is seen', upkeep.isCalling);
    await call;
    expect(await upkeep.isCalling()).toBe(false);
  });
});
