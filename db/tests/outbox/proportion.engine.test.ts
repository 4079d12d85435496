import { expect, it } from 'vitest';
import { describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, kindOf, registerKind } from '../../../tests/support/indicators.ts';
import { withSessions } from '../../../tests/support/session.ts';
import type { Sql } from '../../runtime/database.ts';

const count = 1_000;

const tables = [
  ['outbox.changes', 'minute'],
  ['outbox.deliveries', 'bucket'],
  ['indicator.pending', 'bucket'],
] as const;

const marks = `select array_agg(d.mark) as marks
  from (select c as mark from outbox.changes as c order by c.minute, c.instrument_id limit ${count}) as d`;
const keys = `select array_agg(d.subscription_id), array_agg(d.instrument_id), array_agg(d.timeframe),
    array_agg(d.side), array_agg(d.bucket), array_agg(d.revision)
  from (select * from outbox.deliveries order by bucket, instrument_id limit ${count}) as d`;
const pending = `select array_agg(d.work_id) as ids
  from (select * from indicator.pending order by bucket, instrument_id limit ${count}) as d`;

/**
 * Tables of work are empty most of the time, so sessions have plans for empty ones when suddenly much is
 * there. What a call reads is counted, not how long it takes.
 */
describeOnEngine('Work that is named by its keys', ({ sql }) => {
  async function fill(own: Sql, rows: number): Promise<void> {
    await own`insert into outbox.changes (instrument_id, minute, changed_from, changed_to)
      select n % 20, m.t, m.t, m.t
      from generate_series(1, ${rows}::int) as n,
        lateral (select timestamptz '2026-03-02Z' + n / 20 * interval '1 minute' as t) as m
      on conflict do nothing`;
    await own`insert into outbox.deliveries (subscription_id, instrument_id, timeframe, side, bucket, revision)
      select outbox.subscribe('proportion', 'proportion'), c.instrument_id, '1m', 'mid', c.minute, c.revision
      from outbox.changes as c on conflict do nothing`;
    await own`insert into indicator.pending (service, instrument_id, timeframe, side, bucket, revision)
      select 'heavy', c.instrument_id, '1m', 'mid', c.minute, c.revision from outbox.changes as c on conflict do nothing`;
  }

  /** Many pages and one row: what a burst leaves behind. */
  async function leaveOneRow(): Promise<void> {
    await sql`delete from outbox.changes`;
    await fill(sql, 2 * count);
    for (const [table, time] of tables)
      await sql`delete from ${sql(table)}
        where (${sql(time)}, instrument_id) < (
          select ${sql(time)}, instrument_id from ${sql(table)} order by 1 desc, 2 desc limit 1)`;
    await sql`vacuum (analyze) outbox.changes, outbox.deliveries, indicator.pending`;
  }

  it.each([
    {
      name: 'outbox.finish_changes',
      table: 'outbox.changes',
      call: `select outbox.finish_changes(k.marks) as done from (${marks}) as k`,
    },
    {
      name: 'outbox.mark_refreshed',
      table: 'outbox.changes',
      call: `select outbox.mark_refreshed(k.marks) as done from (${marks}) as k`,
    },
    {
      name: 'outbox.mark_sent',
      table: 'outbox.deliveries',
      call: `select outbox.mark_sent(k.a, k.b, k.c, k.d, k.e, k.f, array[now()]) as done from (${keys}) as k(a, b, c, d, e, f)`,
    },
    {
      name: 'outbox.bury',
      table: 'outbox.deliveries',
      call: `select outbox.bury(k.a, k.b, k.c, k.d, k.e, k.f, 'refused') as done from (${keys}) as k(a, b, c, d, e, f)`,
    },
    {
      name: 'indicator.finish_pending',
      table: 'indicator.pending',
      call: `select indicator.finish_pending(k.ids) as done from (${pending}) as k`,
    },
  ])('reads little else: $name', async ({ name, table, call }) => {
    await leaveOneRow();
    await withSessions(sql, async ({ sql: own }) => {
      await own`begin`;
      // From the sixth call on a plan is kept.
      for (let turn = 0; turn < 8; turn++) await own.unsafe(call);
      await fill(own, 2 * count);
      const before = await rowsRead(own, table);
      const [row] = await own.unsafe<{ done: number }[]>(call);
      // Nobody captured what is buried here: the delivery goes, and there is no candle for a letter.
      expect(row?.done).toBe(name === 'outbox.bury' ? 0 : count);
      const read = (await rowsRead(own, table)) - before;
      expect(read).toBeGreaterThanOrEqual(count);
      // All of them once or twice to choose the keys, and each that is meant a few times.
      expect(read).toBeLessThanOrEqual(8 * count);
    });
  });

  it.each([
    {
      name: 'outbox.close_candles',
      table: 'outbox.candles',
      call: 'select outbox.close_candles() as done',
      done: 5,
    },
    {
      name: 'outbox.next_work_at',
      table: 'outbox.candles',
      call: 'select (outbox.next_work_at() is not null)::int as done',
      done: 1,
    },
    {
      name: 'outbox.claim_deliveries',
      table: 'outbox.candles',
      call: `select count(*)::int as done from outbox.claim_deliveries(${count})`,
      done: count,
    },
    {
      name: 'indicator.claim_pending',
      table: 'indicator.pending',
      call: `select coalesce(sum(cardinality(work_ids)), 0)::int as done from indicator.claim_pending('heavy', 10)`,
      done: 10,
    },
  ])('reads few of all that is there: $name', async ({ table, call, done }) => {
    await leaveOneRow();
    await sql`delete from outbox.candles`;
    await sql`delete from indicator.pending`;
    await sql`vacuum (analyze) outbox.candles, indicator.pending`;
    await withSessions(sql, async ({ sql: own }) => {
      await own`begin`;
      await own`insert into feed.instruments (instrument_id, symbol, source) overriding system value
        select n, 'P' || n, 'manual' from generate_series(0, 19) as n`;
      for (let turn = 0; turn < 8; turn++) await own.unsafe(call);
      await own`delete from outbox.changes`;
      await fill(own, count);
      await own`insert into outbox.candles (instrument_id, timeframe, side, bucket, open, high, low, close, sum,
          tick_count, closes_at, is_closed, revision, captured_at)
        select n % 20, '1m', 'mid', b.bucket, 1, 1, 1, 1, 1, 1, b.bucket + interval '1 minute', n > 5, n, now()
        from generate_series(1, ${20 * count}::int) as n,
          lateral (select timestamptz '2026-03-02Z' + n / 20 * interval '1 minute' as bucket) as b`;
      await own`delete from outbox.changes`;
      const before = await rowsRead(own, table);
      const [row] = await own.unsafe<{ done: number }[]>(call);
      expect(row?.done).toBe(done);
      const read = (await rowsRead(own, table)) - before;
      expect(read).toBeGreaterThanOrEqual(done);
      expect(read).toBeLessThanOrEqual(8 * done);
    });
  });

  it('reads few of all that is there: indicator.accept_candles', async () => {
    await sql`delete from outbox.candles`;
    await sql`vacuum (analyze) outbox.candles`;
    await withSessions(sql, async ({ sql: own }) => {
      await own`begin`;
      await registerKind(own, kindOf('ma_cross'));
      await own`select feed.add_instrument('WIDE', 'manual')`;
      await addIndicator(own, 'WIDE', { fast: 2, slow: 3 }, { side: 'mid' });
      const accept = (revision: number) => own<{ done: number }[]>`
        select indicator.accept_candles('classical', array_agg('WIDE'::text), array_agg('1m'::text), array_agg('mid'::text),
          array_agg(timestamptz '2026-03-02Z' + n * interval '1 minute'), array_agg(${revision}::bigint)) as done
        from generate_series(1, 10) as n`;
      await own`select nextval('outbox.revision')`;
      for (let turn = 0; turn < 8; turn++) await accept(1);
      await own`insert into outbox.candles (instrument_id, timeframe, side, bucket, open, high, low, close, sum,
          tick_count, closes_at, is_closed, revision, captured_at)
        select i.instrument_id, '1m', 'mid', b.bucket, 1, 1, 1, 1, 1, 1, b.bucket + interval '1 minute', true,
          nextval('outbox.revision'), now()
        from feed.instruments as i, generate_series(0, ${20 * count}::int) as n,
          lateral (select timestamptz '2026-03-02Z' + n * interval '1 minute' as bucket) as b
        where i.symbol = 'WIDE'`;
      await own`delete from indicator.pending`;
      const before = await rowsRead(own, 'outbox.candles');
      const [row] = await accept(1);
      expect(row?.done).toBe(10);
      const read = (await rowsRead(own, 'outbox.candles')) - before;
      expect(read).toBeGreaterThanOrEqual(10);
      expect(read).toBeLessThanOrEqual(80);
    });
  });
});

/** Rows of a table and entries of its indexes that this transaction has read so far. */
async function rowsRead(own: Sql, table: string): Promise<number> {
  const [row] = await own<{ read: number }[]>`
    select (pg_stat_get_xact_tuples_returned(i.indrelid)
      + sum(pg_stat_get_xact_tuples_returned(i.indexrelid)))::int as read
    from pg_index as i where i.indrelid = ${table}::regclass group by i.indrelid`;
  return row?.read ?? Number.NaN;
}
