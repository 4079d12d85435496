import type { Figure } from './report.ts';
import type { Database } from './server.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const dayMs = 86_400_000;

/**
 * Bytes a tick of a closed day, with the key: as inserted, and on TimescaleDB compressed. The same of its
 * candles of one second, each with four sides.
 */
export async function measureStorage(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url, engine } = database;
  const ids = await addInstruments(sql, 20);
  const count = isQuick ? 100_000 : 500_000;
  // Chunks are UTC days: all ticks lie in the one of three days ago.
  const from = (Math.floor(Date.now() / dayMs) - 3) * dayMs * 1_000;
  const client = await openClient(url);
  try {
    const ticks = marketTicks({ symbols: [...ids.keys()], from, count, perSecond: 20 });
    for (let start = 0; start < count; start += 50_000) {
      await copyTicks(client, 'feed.ticks', toCopyText(ticks.slice(start, start + 50_000), ids));
    }
  } finally {
    await client.end();
  }
  await sql`call feed.advance_candles()`;
  const [candles] = await sql<{ count: number }[]>`select count(*)::int from feed.candles_1s`;
  const candle = (name: string, bytes: number): Figure => ({
    part: 'storage',
    name,
    unit: 'bytes/candle',
    value: bytes / (candles?.count ?? 0),
  });
  const figure = (name: string, bytes: number): Figure => ({
    part: 'storage',
    name,
    unit: 'bytes/tick',
    value: bytes / count,
  });
  if (engine === 'postgres') {
    const [row] = await sql<{ heap: string; total: string }[]>`
      select pg_table_size('feed.ticks') as heap, pg_total_relation_size('feed.ticks') as total`;
    const [second] = await sql<{ total: string }[]>`
      select pg_total_relation_size('feed.candles_1s') as total`;
    return [
      figure('feed.ticks, rows only', Number(row?.heap)),
      figure('feed.ticks, with key', Number(row?.total)),
      candle('feed.candles_1s, with key', Number(second?.total)),
    ];
  }
  const [raw] = await sql<{ heap: string; total: string }[]>`
    select sum(table_bytes) as heap, sum(total_bytes) as total
    from public.hypertable_detailed_size('feed.ticks')`;
  const sizeOf = async (relation: string): Promise<number> => {
    const [row] = await sql<{ total: string }[]>`
      select sum(total_bytes) as total from public.hypertable_detailed_size(${relation}::text::regclass)`;
    return Number(row?.total);
  };
  const [seconds] = await sql<{ name: string }[]>`
    select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
    from timescaledb_information.continuous_aggregates where view_name = 'candles_1s'`;
  const secondsRaw = await sizeOf(seconds?.name ?? '');
  for (const level of ['ticks', '1s']) {
    await sql`call feed.compress_level(${level}, now() + interval '30 days')`;
  }
  return [
    figure('feed.ticks, rows only', Number(raw?.heap)),
    figure('feed.ticks, with key', Number(raw?.total)),
    figure('feed.ticks, compressed', await sizeOf('feed.ticks')),
    candle('feed.candles_1s, with key', secondsRaw),
    candle('feed.candles_1s, compressed', await sizeOf(seconds?.name ?? '')),
  ];
}
