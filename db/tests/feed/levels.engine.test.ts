import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  registerCatalog,
  type Value,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const today = Math.floor(Date.now() / 86_400_000);

/** A minute of some days ago, from noon on, as floors are whole days. */
function ago(days: number, minutes = 0): string {
  return new Date((today - days) * 86_400_000 + (720 + minutes) * 60_000).toISOString();
}

/** Values of 50, 20 and 10 days ago. What is changed is only ever changed by an operator's UPDATE. */
describeOnEngine('Storage of values', ({ sql, engine }) => {
  const feed = createFeed(sql);
  let symbol: string;
  let id: number;
  let all: Value[];
  const young = () => all.filter(value => value.bucket > ago(30));

  beforeAll(async () => {
    await registerCatalog(sql);
    symbol = await addInstrument(sql);
    id = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    const ticks = [50, 20, 10].flatMap(days =>
      Array.from({ length: 6 }, (_, n) => tickOf(symbol, ago(days, n), { bid: 1 + n * n })),
    );
    await feed.recordTicks('manual', ticks);
    await catchUp(sql);
    await sql`call feed.advance_candles()`;
    all = await valuesOf(sql, id);
    expect(all).toHaveLength(18);
    expect(young()).toHaveLength(12);
  });

  async function recompute(): Promise<void> {
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
  }

  const chunks = async (): Promise<{ compressed: number; all: number }> => {
    const [row] = await sql<[{ compressed: number; all: number }]>`
      select count(*) filter (where is_compressed)::int as compressed, count(*)::int as all
      from timescaledb_information.chunks where hypertable_schema = 'indicator' and hypertable_name = 'values'`;
    return row;
  };

  it('are compressed when they are old enough, and change as before', async () => {
    await sql`update feed.storage set compress_after = '30 days' where level = 'values'`;
    await sql`call ops.apply_storage()`;
    if (engine === 'timescaledb') expect(await chunks()).toEqual({ compressed: 1, all: 3 });
    expect(await valuesOf(sql, id)).toEqual(all);
    await recompute();
    expect(await valuesOf(sql, id)).toEqual(all);
    // What that uncompressed is compressed again.
    await sql`call ops.apply_storage()`;
    await feed.recordTicks('manual', [tickOf(symbol, ago(50, 4.5), { bid: 100 })]);
    await catchUp(sql);
    const after = await valuesOf(sql, id);
    expect(after.map((value, n) => value.outputs?.[0] !== all[n]?.outputs?.[0])).toEqual(
      all.map((_, n) => n >= 4 && n <= 6),
    );
    all = after;
  });

  it('go with their indicator, also when they are compressed', async () => {
    const other = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await computeAll(sql);
    await sql`call ops.apply_storage()`;
    expect(await valuesOf(sql, other)).toHaveLength(18);
    await sql`select indicator.remove(${other})`;
    expect(await valuesOf(sql, other)).toEqual([]);
    expect(await valuesOf(sql, id)).toEqual(all);
  });

  it('stay when candles go, and no recomputation from fewer candles overwrites them', async () => {
    await sql`update feed.storage set retain_for = '19 days' where level in ('ticks', '1s', '1m')`;
    await sql`call ops.apply_storage()`;
    // The windows of the first two that are left lack candles now.
    const [first] = await sql`
      select feed.history_start(feed.instrument_id(${symbol}), '1m') > ${ago(20, 10)} as is_cut`;
    expect(first).toEqual({ is_cut: true });
    await recompute();
    expect(await valuesOf(sql, id)).toEqual(all);
  });

  it('are dropped when they are old enough, for good', async () => {
    await sql`update feed.storage set retain_for = '30 days' where level = 'values'`;
    await sql`call ops.apply_storage()`;
    expect(await valuesOf(sql, id)).toEqual(young());
    await recompute();
    expect(await valuesOf(sql, id)).toEqual(young());
  });
});

describeOnEngine('Storage of values of fine candles', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  const retention = async () => {
    const rows = await sql<{ line: string }[]>`
      select timeframe || ' ' || extract(day from retain_for) as line from indicator.retention order by 1`;
    return rows.map(({ line }) => line);
  };

  it('is for a week from the beginning, of every timeframe below one minute', async () => {
    expect(await retention()).toEqual(['1s 7']);
    await sql`select feed.add_timeframe('30s')`;
    await sql`select feed.add_timeframe('2m')`;
    expect(await retention()).toEqual(['1s 7', '30s 7']);
    await sql`select feed.remove_timeframe('30s')`;
    expect(await retention()).toEqual(['1s 7']);
  });

  it('gives up what is older, for good, and no value of another timeframe', async () => {
    const symbol = await addInstrument(sql);
    const [fine, coarse] = await Promise.all(
      ['1s', '1m'].map(timeframe => addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe })),
    );
    const bucketsOf = async (id = 0) => (await valuesOf(sql, id)).map(value => value.bucket);
    const at = [50, 20, 8, 6, 5].flatMap(days => [ago(days), ago(days, 1), ago(days, 2)]);
    await feed.recordTicks(
      'manual',
      at.map((time, n) => tickOf(symbol, time, { bid: 1 + n * n })),
    );
    await catchUp(sql);
    expect(await bucketsOf(fine)).toHaveLength(15);
    const all = await bucketsOf(coarse);
    await sql`call ops.apply_storage()`;
    const kept = await bucketsOf(fine);
    expect(kept).toEqual(all.filter(bucket => bucket > ago(7)));
    expect(kept).toHaveLength(6);
    expect(await bucketsOf(coarse)).toEqual(all);

    await sql`select ops.recompute(${fine ?? 0})`;
    const other = await addIndicator(sql, symbol, { fast: 1, slow: 3 }, { timeframe: '1s' });
    await feed.recordTicks('manual', [tickOf(symbol, ago(20), { bid: 9, seq: 1 })]);
    await catchUp(sql);
    expect(await bucketsOf(fine)).toEqual(kept);
    expect(await bucketsOf(other)).toEqual(kept);
    expect(await bucketsOf(coarse)).toEqual(all);

    // Longer brings nothing back, shorter takes more away.
    await sql`update indicator.retention set retain_for = '90 days' where timeframe = '1s'`;
    await sql`call ops.apply_storage()`;
    await sql`select ops.recompute(${fine ?? 0})`;
    await computeAll(sql);
    expect(await bucketsOf(fine)).toEqual(kept);
    await sql`insert into indicator.retention (timeframe, retain_for) values ('1m', '19 days')`;
    await sql`call ops.apply_storage()`;
    expect(await bucketsOf(coarse)).toEqual(all.filter(bucket => bucket > ago(19)));
    expect(await bucketsOf(fine)).toEqual(kept);
  });
});
