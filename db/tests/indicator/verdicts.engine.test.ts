import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  publish,
  registerCatalog,
  valuesFor,
} from '../../../tests/support/indicators.ts';
import { quoteOfAge } from '../../../tests/support/outbox.ts';
import { withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createServiceStore } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Sql } from '../../runtime/database.ts';

describeOnEngine('What was said', ({ sql, engine }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  beforeAll(() => registerCatalog(sql));

  const record = (symbol: string, minute: number, bid: number, seq = 0) =>
    feed.recordTicks('manual', [tickOf(symbol, secondsAfter(minute * 60), { seq, bid })]);

  async function saidOf(id: number) {
    const rows = await sql`
      select to_char(bucket, 'HH24:MI') as minute, verdict, value, price,
        said_at > now() - interval '1 minute' as is_new
      from indicator.verdicts where indicator_id = ${id} order by bucket, revision`;
    return rows.map(({ minute, verdict, value, price, is_new }) => {
      expect(is_new).toBe(true);
      return [minute, verdict, value, price];
    });
  }

  async function added() {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    return { symbol, id };
  }

  it('is kept once of a closed candle, and again when a late tick changes it', async () => {
    const { symbol, id } = await added();
    await record(symbol, 0, 10);
    await record(symbol, 1, 12);
    await catchUp(sql);
    // The first one warms up: nothing was said.
    expect(await saidOf(id)).toEqual([['10:01', 1, 1, 12]]);
    await record(symbol, 1, 8, 1);
    await catchUp(sql);
    const both = [
      ['10:01', 1, 1, 12],
      ['10:01', -1, -1, 8],
    ];
    expect(await saidOf(id)).toEqual(both);
    const [newest] =
      await sql`select value from indicator.values where indicator_id = ${id} order by bucket desc`;
    expect(newest).toEqual({ value: -1 });
    // The candle changes, what is said of it does not.
    await record(symbol, 1, 8, 2);
    await catchUp(sql);
    expect(await saidOf(id)).toEqual(both);
  });

  it('is kept of the later candles whose windows a late tick changes, too', async () => {
    const { symbol, id } = await added();
    for (const [minute, bid] of [
      [0, 10],
      [1, 12],
      [2, 13],
    ] as const)
      await record(symbol, minute, bid);
    await catchUp(sql);
    await record(symbol, 1, 20, 1);
    await catchUp(sql);
    expect(await saidOf(id)).toEqual([
      ['10:01', 1, 1, 12],
      ['10:01', 1, 5, 20],
      ['10:02', 1, 0.5, 13],
      ['10:02', -1, -3.5, 13],
    ]);
  });

  it('is not what history and recomputation give', async () => {
    const symbol = await addInstrument(sql);
    await record(symbol, 0, 10);
    await record(symbol, 1, 12);
    await publish(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await computeAll(sql);
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await saidOf(id)).toEqual([]);
    await record(symbol, 2, 9);
    await catchUp(sql);
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await saidOf(id)).toEqual([['10:02', -1, -1.5, 9]]);
  });

  it('is not kept of a candle that forms, until it closes', async () => {
    const { symbol, id } = await added();
    await sql`update feed.sources set grace = '1 hour' where source = 'manual'`;
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '3 minutes', 1)]);
    await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, '2 minutes', 2)]);
    await catchUp(sql);
    expect(await saidOf(id)).toEqual([]);
    await sql`update feed.sources set grace = '1 second' where source = 'manual'`;
    await sql`update outbox.candles set closes_at = now() where not is_closed`;
    await sql`select outbox.close_candles()`;
    await catchUp(sql);
    expect((await saidOf(id)).map(([, ...rest]) => rest)).toEqual([[1, 0.5, 2]]);
  });

  it('is kept once by two processes that compute the same at the same time', async () => {
    const { symbol, id } = await added();
    for (let round = 0; round < 5; round++) {
      await record(symbol, 2 * round, 10);
      await record(symbol, 2 * round + 1, 12 + round);
      await accept(sql, await publish(sql));
      const works = await claim(sql);
      const values = works.flatMap(work => valuesFor(work));
      const later = values.map(value => ({
        ...value,
        revision: String(Number(value.revision) + 1),
      }));
      await Promise.all([values, values, later, values].map(each => store.recordValues(each)));
      for (const work of works) await store.finishPending(work.workIds);
      await sql`select nextval('outbox.revision')`;
    }
    const said = await saidOf(id);
    expect(said).toHaveLength(new Set(said.map(row => row.join())).size);
    expect(new Set(said.map(([minute]) => minute)).size).toBe(9);
  });

  it('is never changed or deleted, and goes with its indicator', async () => {
    const { symbol, id } = await added();
    await record(symbol, 0, 10);
    await record(symbol, 1, 12);
    await catchUp(sql);
    for (const statement of [
      `update indicator.verdicts set verdict = -1 where indicator_id = ${id}`,
      `delete from indicator.verdicts where indicator_id = ${id}`,
      'truncate indicator.verdicts',
    ]) {
      await expect(sql.unsafe(statement), statement).rejects.toMatchObject({ code: 'FACTS' });
    }
    expect(await saidOf(id)).toHaveLength(1);
    await sql`select indicator.remove(${id})`;
    expect(await saidOf(id)).toEqual([]);
  });

  it('goes with its indicator when a lot of it is compressed, too', async () => {
    const { id } = await added();
    const { id: other } = await added();
    // More than TimescaleDB uncompresses for a statement unless it is told to.
    await sql`insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
      select d, date_trunc('week', now(), 'UTC') - interval '70 days' + n * interval '1 second', 1, 1, 1, 1, 1
      from unnest(${[id, other]}::int[]) as d, generate_series(1, 110000) as n where d = ${id} or n <= 5`;
    await sql`call ops.apply_storage()`;
    await sql`select indicator.remove(${id})`;
    const left = await sql`
      select indicator_id, count(*)::int as count from indicator.verdicts
      where indicator_id = any (${[id, other]}) group by 1`;
    expect([...left]).toEqual([{ indicator_id: other, count: 5 }]);
  });

  it('is compressed after a month, goes on as before, and is dropped when feed.storage says so', async () => {
    const { symbol, id } = await added();
    const kept = async () => [
      ...(await sql`select * from indicator.verdicts where indicator_id = ${id} order by bucket, revision`),
    ];
    const ago = async (days: number, bid: number) => {
      await feed.recordTicks('manual', [await quoteOfAge(sql, symbol, `${days} days`, bid)]);
      await catchUp(sql);
    };
    for (const [place, days] of [60, 45, 30, 15, 1].entries()) await ago(days, 1 + place * place);
    const before = await kept();
    expect(before).toHaveLength(4);
    await sql`call ops.apply_storage()`;
    expect(await kept()).toEqual(before);
    if (engine === 'timescaledb') {
      const [row] = await sql`
        select count(*) filter (where is_compressed) > 0 as are_compressed from timescaledb_information.chunks
        where hypertable_schema = 'indicator' and hypertable_name = 'verdicts'`;
      expect(row).toEqual({ are_compressed: true });
    }
    await ago(45, 7);
    const all = await kept();
    expect(all.length).toBeGreaterThan(before.length);
    expect(all).toEqual(expect.arrayContaining(before));
    await expect(
      sql`delete from indicator.verdicts where indicator_id = ${id}`,
    ).rejects.toMatchObject({
      code: 'FACTS',
    });
    await sql`update feed.storage set retain_for = '37 days' where level = 'verdicts'`;
    await sql`call ops.apply_storage()`;
    const left = await sql`
      select min(bucket) > now() - interval '46 days' as is_cut, count(*)::int as count
      from indicator.verdicts where indicator_id = ${id}`;
    expect(left[0]?.is_cut).toBe(true);
    expect(left[0]?.count).toBeLessThan(all.length);
    await sql`select indicator.remove(${id})`;
    expect(await kept()).toEqual([]);
  });

  it('is compared with what was said of the same buckets, whatever else is stored', async () => {
    const symbol = await addInstrument(sql);
    const ids: number[] = [];
    for (let slow = 2; slow <= 21; slow++) {
      ids.push(await addIndicator(sql, symbol, { fast: 1, slow }));
    }
    const weeks = 30;
    await sql`insert into indicator.values (indicator_id, bucket, value, outputs, verdict, strength, bars, revision)
      select d, timestamptz '2026-01-01Z' + n * interval '21 hours', 1, '{1,1,1}', 1, 1, 21, 1
      from unnest(${ids}::int[]) as d, generate_series(0, ${weeks * 8}) as n`;
    await sql`insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
      select indicator_id, bucket, revision, verdict, strength, value, 1 from indicator.values
      where indicator_id = any (${ids}::int[])`;
    const call = (revision: number, bucket: string) => ({
      reading: { outputs: [2, 1, 1], verdict: 1 as const, strength: 0.5 },
      bars: 21,
      price: 1.5,
      revision: String(revision),
      bucket,
    });
    await withSessions(sql, async ({ sql: own }) => {
      await own`begin`;
      const store = createServiceStore(own, 'classical');
      // From the sixth call on a plan is kept.
      for (let turn = 0; turn < 8; turn++) {
        await store.recordValues(
          ids.map(indicatorId => ({ indicatorId, ...call(10 + turn, `2026-02-02 10:0${turn}Z`) })),
        );
      }
      const before = await rowsRead(own);
      const again = ids.map(indicatorId => ({ indicatorId, ...call(20, '2026-02-02 10:07Z') }));
      await store.recordValues(again);
      const read = (await rowsRead(own)) - before;
      expect(read).toBeGreaterThanOrEqual(ids.length);
      expect(read).toBeLessThanOrEqual(4 * ids.length);
    });
  });
});

/** Rows of the values and of what was said that this transaction has read so far, or their entries in indexes. */
async function rowsRead(own: Sql): Promise<number> {
  const [row] = await own<{ read: number }[]>`
    with stored as (
      select to_regclass(r.name) as relation from unnest(array['indicator.values', 'indicator.verdicts']) as r(name)
    ),
    relations as (
      select s.relation from stored as s
      union all
      select i.inhrelid from stored as s join pg_inherits as i on i.inhparent = s.relation
    )
    select sum(pg_stat_get_xact_tuples_returned(r.relation) + (
      select sum(pg_stat_get_xact_tuples_returned(i.indexrelid)) from pg_index as i where i.indrelid = r.relation))::int as read
    from relations as r`;
  return row?.read ?? Number.NaN;
}
