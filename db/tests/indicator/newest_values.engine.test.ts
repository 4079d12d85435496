import fc from 'fast-check';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, registerCatalog } from '../../../tests/support/indicators.ts';
import { withSessions } from '../../../tests/support/session.ts';
import type { Sql } from '../../runtime/database.ts';

/** Days before the first one of 2026 on which there may be a value; some lie weeks and years apart. */
const days = [0, 1, 2, 3, 10, 45, 46, 400, 4000];

/** A bucket some days before 2026. */
function earlier(day: number): string {
  return new Date(Date.UTC(2026, 0, 1) - day * 86_400_000).toISOString();
}

describeOnEngine('indicator.newest_values', ({ sql }) => {
  let ids: number[];

  beforeAll(() => registerCatalog(sql));
  beforeEach(async () => {
    const symbol = await addInstrument(sql);
    ids = await Promise.all(
      [2, 3, 4].map(period => addIndicator(sql, symbol, { period }, { kind: 'sma' })),
    );
  });

  /** Stores values of one candle, as a service does. */
  const store = (own: Sql, indicatorIds: readonly number[], on: readonly number[]) => {
    const all = indicatorIds.flatMap(id => on.map(day => ({ id, day })));
    return own`
      select indicator.record_values(
        ${all.map(each => each.id)}::int[], ${all.map(each => earlier(each.day))}::text[]::timestamptz[],
        ${all.map(() => '{1}')}::text[], ${all.map(() => 1)}::int2[], ${all.map(() => 1)}::float4[],
        ${all.map(() => null)}::int[], ${all.map(() => null)}::float8[], ${all.map(() => null)}::float8[],
        ${all.map(() => 1)}::int[], ${all.map(() => 0)}::bigint[])`;
  };

  /** What is told is what all values say, of now and of any time before. */
  async function expectTrue(): Promise<void> {
    for (const until of [
      'infinity',
      '-infinity',
      ...days.flatMap(day => [earlier(day), earlier(day - 0.5)]),
    ]) {
      const told = await sql`
        select * from indicator.newest_values(${[...ids, ...ids, -1]}::int[], ${until}::text::timestamptz) order by indicator_id`;
      const real = await sql`
        select distinct on (v.indicator_id) v.* from indicator.values as v
        where v.indicator_id = any (${ids}) and v.bucket <= ${until}::text::timestamptz
        order by v.indicator_id, v.bucket desc`;
      expect([...told], `until ${until}`).toEqual([...real]);
    }
  }

  it('has them in whatever order they were stored, and what was deleted since', async () => {
    const some = fc.uniqueArray(fc.constantFrom(...days), { minLength: 1, maxLength: 4 });
    const places = fc.uniqueArray(fc.nat(2), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ isDelete: fc.boolean(), on: some, of: places }), { maxLength: 6 }),
        async steps => {
          for (const { isDelete, on, of } of steps) {
            const indicators = of.map(place => ids[place] ?? 0);
            if (isDelete) {
              await sql`delete from indicator.values
                where indicator_id = any (${indicators}) and bucket = any (${on.map(earlier)}::text[]::timestamptz[])`;
            } else await store(sql, indicators, on);
          }
          await expectTrue();
        },
      ),
      { numRuns: 20 },
    );
  });

  it('has them when two store values of the same indicators at once, and neither waits for the other', async () => {
    await store(sql, ids, [10]);
    await withSessions(sql, async (first, second) => {
      await second.sql`set lock_timeout = '10s'`;
      for (const [ends, day] of [
        ['commit', 3],
        ['rollback', 1],
      ] as const) {
        await first.sql`begin`;
        await store(first.sql, ids, [day]);
        // Newer than what the first is about to end with, and older.
        await store(second.sql, ids, [day - 1]);
        await store(second.sql, ids, [day + 1]);
        await first.sql.unsafe(ends);
        await expectTrue();
      }
      await first.sql`begin`;
      await store(first.sql, ids, [-2]);
      await store(second.sql, ids, [-1]);
      await first.sql`commit`;
      await expectTrue();
      await second.sql`reset lock_timeout`;
    });
    const newest = await sql`select distinct bucket from indicator.newest_values(${ids})`;
    expect([...newest]).toEqual([{ bucket: expect.anything() }]);
  });

  it('keeps one row of each indicator when nobody is at work, and none of one that was removed', async () => {
    const rows = async () => {
      const [row] = await sql<[{ count: number }]>`
        select count(*)::int from indicator.value_ends where indicator_id = any (${ids})`;
      return row.count;
    };
    for (const day of [400, 46, 45, 3]) await store(sql, ids, [day, day + 1]);
    expect(await rows()).toBe(3);
    for (const id of ids) await sql`select indicator.remove(${id})`;
    expect(await rows()).toBe(0);
  });

  it('has none where the newest was given up, and does not look for older ones', async () => {
    await store(sql, ids, [400, 10]);
    await sql`delete from indicator.values where bucket = ${earlier(10)}::text::timestamptz`;
    await expectTrue();
    // It never goes back: the last test.
    await sql`update feed.storage set floor_at = ${earlier(5)}::text::timestamptz where level = 'values'`;
    expect(await sql`select from indicator.newest_values(${ids})`).toHaveLength(0);
  });
});

describeOnEngine('indicator.next_value', ({ sql }) => {
  it('has the first bucket of a value from a time on', async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { period: 2 }, { kind: 'sma' });
    expect([...(await sql`select indicator.next_value(${id}, '-infinity') as at`)]).toEqual([
      { at: null },
    ]);
    await sql`insert into indicator.values (indicator_id, bucket, bars, revision)
      select ${id}, d.at, 1, 0 from unnest(${days.map(earlier)}::text[]::timestamptz[]) as d(at)`;
    for (const from of [
      '-infinity',
      'infinity',
      ...days.flatMap(day => [earlier(day), earlier(day - 0.5), earlier(day + 0.5)]),
    ]) {
      const [row] = await sql`
        select indicator.next_value(${id}, ${from}::text::timestamptz) is not distinct from (
          select min(v.bucket) from indicator.values as v where v.indicator_id = ${id} and v.bucket >= ${from}::text::timestamptz
        ) as is_right`;
      expect(row, from).toEqual({ is_right: true });
    }
  });
});
