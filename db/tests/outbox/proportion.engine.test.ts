import { expect, it } from 'vitest';
import type { Sql } from '../../runtime/database.ts';
import { describeOnEngine } from '../support/database.ts';
import { withSessions } from '../support/session.ts';

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
const pending = `select array_agg(d.instrument_id), array_agg(d.timeframe), array_agg(d.side),
    array_agg(d.bucket), array_agg(d.revision)
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
    await own`insert into indicator.pending (instrument_id, timeframe, side, bucket, revision)
      select c.instrument_id, '1m', 'mid', c.minute, c.revision from outbox.changes as c on conflict do nothing`;
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
      call: `select outbox.mark_sent(k.a, k.b, k.c, k.d, k.e, k.f) as done from (${keys}) as k(a, b, c, d, e, f)`,
    },
    {
      name: 'outbox.bury',
      table: 'outbox.deliveries',
      call: `select outbox.bury(k.a, k.b, k.c, k.d, k.e, k.f, 'refused') as done from (${keys}) as k(a, b, c, d, e, f)`,
    },
    {
      name: 'indicator.finish_pending',
      table: 'indicator.pending',
      call: `select indicator.finish_pending(k.b, k.c, k.d, k.e, k.f) as done from (${pending}) as k(b, c, d, e, f)`,
    },
  ])('reads little else: $name', async ({ name, table, call }) => {
    await leaveOneRow();
    await withSessions(sql, async ({ sql: own }) => {
      const read = async (): Promise<number> => {
        const [row] = await own<{ read: number }[]>`
          select (pg_stat_get_xact_tuples_returned(i.indrelid)
            + sum(pg_stat_get_xact_tuples_returned(i.indexrelid)))::int as read
          from pg_index as i where i.indrelid = ${table}::regclass group by i.indrelid`;
        return row?.read ?? Number.NaN;
      };
      await own`begin`;
      // From the sixth call on a plan is kept.
      for (let turn = 0; turn < 8; turn++) await own.unsafe(call);
      await fill(own, 2 * count);
      const before = await read();
      const [row] = await own.unsafe<{ done: number }[]>(call);
      // Nobody captured what is buried here: the delivery goes, and there is no candle for a letter.
      expect(row?.done).toBe(name === 'outbox.bury' ? 0 : count);
      const rowsRead = (await read()) - before;
      expect(rowsRead).toBeGreaterThanOrEqual(count);
      // All of them once or twice to choose the keys, and each that is meant a few times.
      expect(rowsRead).toBeLessThanOrEqual(8 * count);
    });
  });
});
