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
