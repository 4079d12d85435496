import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import {
  capturedOf,
  captureOnce,
  marksOf,
  quoteOfAge,
  subscribe,
} from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Sql } from '../../runtime/database.ts';

describeOnEngine('outbox.refresh_late', ({ sql, engine }) => {
  const feed = createFeed(sql);
  const isMaterialised = engine === 'timescaledb';

  async function horizon(): Promise<{ is_past: boolean }> {
    const [row] = await sql<{ is_past: boolean }[]>`
      select feed.refresh_horizon() < clock_timestamp() as is_past`;
    return row ?? { is_past: false };
  }

  it('brings a late tick into the candles before they are captured, with a higher revision', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const first = [1, 2].map(n => tickOf(symbol, at(`10:0${n}:00`), { bid: n }));
    await feed.recordTicks('manual', first);
    await capture(sql);
    const [before] = await capturedOf(sql, symbol);
    await sql`call feed.advance_candles()`;
    const late = tickOf(symbol, at('10:01:30'), { bid: 9 });
    await feed.recordTicks('manual', [late]);

    const early = await captureOnce(sql);
    expect(early.delta_count).toBe(isMaterialised ? 0 : 1);
    expect(await marksOf(sql, symbol)).toHaveLength(isMaterialised ? 1 : 0);
    await sql`call outbox.refresh_late()`;
    expect((await captureOnce(sql)).delta_count).toBe(isMaterialised ? 1 : 0);

    const [after] = await capturedOf(sql, symbol);
    expect(after).toMatchObject({ close: 9, tick_count: 2 });
    expect(after?.revision).toBeGreaterThan(before?.revision ?? Number.POSITIVE_INFINITY);
    expect(await marksOf(sql, symbol)).toEqual([]);
    await expectCandlesOf(sql, symbol, [...first, late]);
  });

  it('asks for another refresh when the same minute is late again', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const ticks = [tickOf(symbol, at('11:00:00'), { bid: 1 })];
    await feed.recordTicks('manual', ticks);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    for (const bid of [2, 3]) {
      const late = tickOf(symbol, at(`11:00:0${bid}`), { bid });
      await feed.recordTicks('manual', [late]);
      ticks.push(late);
      if (bid === 2) await sql`call outbox.refresh_late()`;
    }
    await captureOnce(sql);
    expect(await marksOf(sql, symbol)).toHaveLength(isMaterialised ? 1 : 0);
    await capture(sql);
    await expectCandlesOf(sql, symbol, ticks);
  });

  it('leaves the ticks of now alone: a late one does not make those after it late', async () => {
    const symbol = await addInstrument(sql);
    const ticks = [
      await quoteOfAge(sql, symbol, '50 minutes', 1),
      await quoteOfAge(sql, symbol, '20 minutes', 2),
    ];
    await feed.recordTicks('manual', ticks);
    await sql`call feed.advance_candles()`;
    const late = await quoteOfAge(sql, symbol, '30 minutes', 3);
    await feed.recordTicks('manual', [late]);
    await capture(sql);
    expect(await horizon()).toEqual({ is_past: true });
    const fresh = await quoteOfAge(sql, symbol, '0 seconds', 4);
    await feed.recordTicks('manual', [fresh]);
    // Without a capture: every timeframe shows it at once.
    await expectCandlesOf(sql, symbol, [...ticks, late, fresh]);
  });

  it('is left to a session that is at it already', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, at('12:00:00'), { bid: 1 })]);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    await feed.recordTicks('manual', [tickOf(symbol, at('12:00:30'), { bid: 2 })]);
    const refresh = ({ sql: own }: { sql: Sql }) =>
      own<{ late_count: number }[]>`call outbox.refresh_late()`;
    await withSessions(sql, async (holder, first) => {
      await holder.sql`begin`;
      await holder.sql`lock table outbox.changes`;
      const refreshing = refresh(first).execute();
      await untilBlocked(sql, first);
      expect(await refresh({ sql })).toEqual([{ late_count: 0 }]);
      await holder.sql`rollback`;
      expect(await refreshing).toEqual([{ late_count: isMaterialised ? 1 : 0 }]);
    });
    await capture(sql);
    await expectCandlesOf(sql, symbol, [
      tickOf(symbol, at('12:00:00'), { bid: 1 }),
      tickOf(symbol, at('12:00:30'), { bid: 2 }),
    ]);
  });

  it('does nothing when nothing is late', async () => {
    await capture(sql);
    await sql`call outbox.refresh_late()`;
    expect(await captureOnce(sql)).toEqual({ change_count: 0, delta_count: 0 });
  });
});

describeOnEngine('feed.refresh_candles on a history that was never stored', ({ sql }) => {
  it('jumps over nothing: candles that were never stored stay visible', async () => {
    const symbol = await addInstrument(sql);
    const ticks = ['08', '09', '10'].map((day, n) =>
      tickOf(symbol, `2026-04-${day}T12:00:00Z`, { bid: 1 + n }),
    );
    await createFeed(sql).recordTicks('manual', ticks);
    await sql`call feed.refresh_candles('2026-04-10', '2026-04-10 23:59')`;
    await expectCandlesOf(sql, symbol, ticks);
    await sql`call feed.advance_candles()`;
    await expectCandlesOf(sql, symbol, ticks);
  });
});

describeOnEngine('A long history that is stored for the first time', ({ sql, engine }) => {
  /** As soon as a part of the seconds is stored. */
  async function cutOff(): Promise<void> {
    const watermark = async (): Promise<string> => {
      const [row] = await sql<{ watermark: string }[]>`
        select w.watermark from _timescaledb_catalog.continuous_agg as c
        join _timescaledb_catalog.continuous_aggs_watermark as w using (mat_hypertable_id)
        where c.user_view_name = 'stored_candles_1s'`;
      return row?.watermark ?? '';
    };
    const before = await watermark();
    await withSessions(sql, async ({ sql: storing, pid }) => {
      const advance = storing`call feed.advance_candles()`.execute();
      const isCutOff = expect(advance).rejects.toMatchObject({ code: '57014' });
      while ((await watermark()) === before);
      await sql`select pg_cancel_backend(${pid})`;
      await isCutOff;
    });
  }

  it('is all there when that is cut off in between', async () => {
    const symbol = await addInstrument(sql);
    const ticks = Array.from({ length: 30 }, (_, day) =>
      tickOf(symbol, new Date(Date.UTC(2026, 2, day, 12)).toISOString(), { bid: 1 + day }),
    );
    await createFeed(sql).recordTicks('manual', ticks);
    if (engine === 'timescaledb') await cutOff();
    await expectCandlesOf(sql, symbol, ticks);
    await sql`call feed.advance_candles()`;
    await expectCandlesOf(sql, symbol, ticks);
  });
});

describeOnEngine('A day of ticks', ({ sql }) => {
  /** Pages of ticks and their indexes that were read so far: by this session, as others tell theirs later. */
  async function pagesRead(own: Sql): Promise<number> {
    await own`select pg_stat_force_next_flush()`;
    const [row] = await own<{ read: number }[]>`
      with tables as (
        select 'feed.ticks'::regclass as relid
        union all select inhrelid from pg_inherits where inhparent = 'feed.ticks'::regclass
      )
      select sum(pg_stat_get_blocks_fetched(r.relid))::int as read
      from (select relid from tables union all select indexrelid from pg_index join tables on relid = indrelid) as r`;
    return row?.read ?? Number.NaN;
  }

  it('is not read again for a late tick in it, nor to store the next second', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await withSessions(sql, async ({ sql: own }) => {
      await own`insert into feed.ticks (instrument_id, observed_at, bid)
        select feed.instrument_id(${symbol}), timestamptz '2026-03-02Z' + n * interval '1 s', 1
        from generate_series(0, 80000) as n`;
      await capture(own);
      await own`call feed.advance_candles()`;
      await own`analyze feed.ticks`;
      const before = await pagesRead(own);
      expect(before).toBeGreaterThan(10_000);
      await createFeed(own).recordTicks('manual', [
        tickOf(symbol, '2026-03-02T05:00:59.5Z', { bid: 9 }),
        tickOf(symbol, '2026-03-02T23:00:01Z', { bid: 8 }),
      ]);
      await own`call outbox.refresh_late()`;
      await own`call feed.advance_candles()`;
      await captureOnce(own);
      const read = (await pagesRead(own)) - before;
      expect(read).toBeGreaterThan(1);
      // About a hundred; without an index by time, all pages a few times.
      expect(read).toBeLessThan(1_000);
    });
    expect(await capturedOf(sql, symbol)).toContainEqual(expect.objectContaining({ close: 9 }));
  });
});

describeOnEngine('A late tick while candles are being stored', ({ sql, engine }) => {
  const feed = createFeed(sql);
  const isMaterialised = engine === 'timescaledb';

  /** Nobody can store candles of a second until the barrier's transaction ends. */
  async function holdUp(barrier: Sql): Promise<void> {
    const [table] = await sql<{ name: string }[]>`
      select format('%I.%I', h.schema_name, h.table_name) as name
      from _timescaledb_catalog.continuous_agg as c
      join _timescaledb_catalog.hypertable as h on h.id = c.mat_hypertable_id
      where c.user_view_name = 'stored_candles_1s'`;
    await barrier.unsafe(`lock table ${table?.name ?? ''} in share mode`);
  }

  it.runIf(isMaterialised)(
    'is in a candle that is stored further than the finer ones',
    async () => {
      const symbol = await addInstrument(sql);
      const first = tickOf(symbol, '2026-05-05T10:00:00Z', { bid: 1 });
      const late = tickOf(symbol, '2026-05-05T10:45:00Z', { bid: 2 });
      await feed.recordTicks('manual', [first]);
      await capture(sql);
      await sql`call feed.advance_candles(now() - '2026-05-05 10:30Z')`;
      // Somebody who stores the hour by hand.
      await sql`call public.refresh_continuous_aggregate('feed.stored_candles_1h', null, '2026-05-05 11:00Z')`;
      await feed.recordTicks('manual', [late]);
      await capture(sql);
      await expectCandlesOf(sql, symbol, [first, late]);
    },
  );

  it.runIf(isMaterialised)(
    'is not what a tick is that comes before the end of a minute',
    async () => {
      const symbol = await addInstrument(sql);
      const ticks = ['10:00:00', '10:00:59.7'].map((time, n) =>
        tickOf(symbol, `2026-05-06T${time}Z`, { bid: 1 + n }),
      );
      await feed.recordTicks('manual', ticks);
      await capture(sql);
      await withSessions(sql, async (barrier, storing) => {
        await barrier.sql`begin`;
        await holdUp(barrier.sql);
        // While the seconds wait, the minute ends.
        const advance =
          storing.sql`call feed.advance_candles(now() - '2026-05-06 10:00:59.5Z')`.execute();
        await untilBlocked(sql, storing);
        await barrier.sql`select pg_sleep(1)`;
        await barrier.sql`rollback`;
        await advance;
      });
      await expectCandlesOf(sql, symbol, ticks);
    },
  );

  it('is captured after them, and is in every candle then', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const first = tickOf(symbol, '2026-05-04T10:00:00Z', { bid: 1 });
    const late = tickOf(symbol, '2026-05-04T09:59:59Z', { bid: 2 });
    const last = tickOf(symbol, '2026-05-04T12:00:00Z', { bid: 3 });
    await feed.recordTicks('manual', [first, last]);
    await capture(sql);
    await withSessions(sql, async (barrier, storing) => {
      await barrier.sql`begin`;
      if (isMaterialised) await holdUp(barrier.sql);
      const advance = storing.sql`call feed.advance_candles()`.execute();
      if (isMaterialised) await untilBlocked(sql, storing);
      await feed.recordTicks('manual', [late]);
      expect((await captureOnce(sql)).change_count).toBe(isMaterialised ? 0 : 1);
      await barrier.sql`rollback`;
      await advance;
    });
    await capture(sql);
    expect(await capturedOf(sql, symbol)).toHaveLength(3);
    await expectCandlesOf(sql, symbol, [first, late, last]);
  });
});
