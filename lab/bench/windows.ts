import type { Sql } from '../../db/runtime/database.ts';
import type { Database } from './database.ts';
import { type Figure, median } from './figures.ts';
import { addInstruments, copyTicks, openClient, toCopyText } from './ticks.ts';

const part = 'windows';
const bars = 144;
const count = 250;

/** Seconds between the ticks of a series of 1-second candles; its changed candles lie all over its history. */
const seriesOf = [
  { name: 'a candle each second', everySeconds: 1, hours: 12 },
  { name: 'a candle now and then', everySeconds: 37, hours: 72 },
];

interface Series {
  readonly instrument: number;
  readonly buckets: readonly string[];
}

/** How long the windows of changed candles that lie all over a history take to read: at once, and one after the other. */
export async function measureWindows(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const ids = await addInstruments(sql, seriesOf.length);
  const figures: Figure[] = [];
  const client = await openClient(url);
  try {
    for (const [index, { name, everySeconds, hours }] of seriesOf.entries()) {
      const [symbol = '', instrument = 0] = [...ids][index] ?? [];
      const start = Date.now() - hours * 3_600_000;
      const times = Array.from({ length: (hours * 3_600) / everySeconds }, (_, place) =>
        new Date(start + place * everySeconds * 1_000).toISOString(),
      );
      const ticks = times.map(observedAt => ({
        ...{ symbol, observedAt, seq: 0, bid: 1.1, ask: 1.2, last: null, size: null },
      }));
      await copyTicks(client, 'feed.ticks', toCopyText(ticks, ids));
      await sql`call feed.advance_candles()`;
      const buckets = Array.from({ length: count }, (_, place) =>
        (times[Math.floor((place * times.length) / count)] ?? '').replace(/\.\d+Z/, 'Z'),
      );
      const reads = { 'at once': readAtOnce, 'one by one': readOneByOne };
      for (const [how, read] of Object.entries(reads)) {
        const samples: number[] = [];
        for (let round = 0; round < (isQuick ? 1 : 5); round++) {
          const from = performance.now();
          await read(sql, { instrument, buckets });
          samples.push(performance.now() - from);
        }
        figures.push({
          ...{ part, name: `${name}: ${count} windows ${how}`, unit: 'ms', samples },
          value: median(samples),
        });
      }
    }
  } finally {
    await client.end();
  }
  return figures;
}

async function readAtOnce(sql: Sql, { instrument, buckets }: Series): Promise<void> {
  await sql`
    select count(w.closes) from (
      select array_agg(${instrument}::int) as instruments, array_agg('1s'::text) as timeframes,
        array_agg('mid'::text) as sides, array_agg(b.bucket) as buckets, array_agg(${bars}::int) as bars
      from unnest(${buckets as string[]}::text[]::timestamptz[]) as b(bucket)
    ) as s,
    indicator.candle_windows(s.instruments, s.timeframes, s.sides, s.buckets, s.buckets, s.bars, s.bars) as w`;
}

async function readOneByOne(sql: Sql, { instrument, buckets }: Series): Promise<void> {
  await sql`
    select count(w.closes) from unnest(${buckets as string[]}::text[]::timestamptz[]) as b(bucket),
      indicator.candle_window(${instrument}, '1s', 'mid', b.bucket, b.bucket, ${bars}, ${bars}) as w`;
}
