import type { Database } from './database.ts';
import type { Figure } from './figures.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const dayMs = 86_400_000;

/** Bytes a tick and a candle of a closed day, with keys; ticks as inserted, and on TimescaleDB compressed. */
export async function measureStorage(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url, engine } = database;
  const ids = await addInstruments(sql, 20);
  const count = isQuick ? 100_000 : 500_000;
  // Chunks are UTC days: all ticks lie in the one of three days ago.
  const from = (Math.floor(Date.now() / dayMs) - 3) * dayMs * 1_000;
  const client = await openClient(url);
  try {
    const ticks = marketTicks({ symbols: [...ids.keys()], from, count, perSecond: 2 });
    for (let start = 0; start < count; start += 50_000) {
      await copyTicks(client, 'feed.ticks', toCopyText(ticks.slice(start, start + 50_000), ids));
    }
  } finally {
    await client.end();
  }
  const figure = (name: string, bytes: number): Figure => ({
    part: 'storage',
    name,
    unit: 'bytes/tick',
    value: bytes / count,
  });
  if (engine === 'postgres') {
    const [row] = await sql<{ heap: string; total: string }[]>`
      select pg_table_size('feed.ticks') as heap, pg_total_relation_size('feed.ticks') as total`;
    return [
      figure('feed.ticks, rows only', Number(row?.heap)),
      figure('feed.ticks, with key', Number(row?.total)),
      ...(await candleFigures(database)),
    ];
  }
  await sql`call feed.advance_candles()`;
  const [raw] = await sql<{ heap: string; total: string }[]>`
    select sum(table_bytes) as heap, sum(total_bytes) as total
    from public.hypertable_detailed_size('feed.ticks')`;
  await sql`select public.compress_chunk(c) from public.show_chunks('feed.ticks') as c`;
  const [compressed] = await sql<{ total: string }[]>`
    select sum(total_bytes) as total from public.hypertable_detailed_size('feed.ticks')`;
  return [
    figure('feed.ticks, rows only', Number(raw?.heap)),
    figure('feed.ticks, with key', Number(raw?.total)),
    figure('feed.ticks, compressed', Number(compressed?.total)),
    ...(await candleFigures(database)),
  ];
}

/** Only of timeframes with enough candles that pages which are not full do not count. */
async function candleFigures({ sql, engine }: Database): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const timeframe of ['1s', '1m']) {
    const table = `candles_${timeframe}`;
    const [size] =
      engine === 'postgres'
        ? await sql<{ bytes: string }[]>`
            select pg_total_relation_size(format('feed.%I', ${table}::text)::regclass) as bytes`
        : await sql<{ bytes: string }[]>`
            select public.hypertable_size(format('%I.%I', a.materialization_hypertable_schema,
              a.materialization_hypertable_name)::regclass) as bytes
            from timescaledb_information.continuous_aggregates as a
            where a.view_schema = 'feed' and a.view_name = ${`stored_${table}`}`;
    const [row] = await sql<{ count: number }[]>`
      select count(*)::float8 as count from ${sql(`feed.${table}`)}`;
    const value = Number(size?.bytes) / (row?.count ?? Number.NaN);
    figures.push({
      part: 'storage',
      name: `feed.${table}, with keys`,
      unit: 'bytes/candle',
      value,
    });
  }
  return figures;
}
