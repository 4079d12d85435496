import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { createFeed, type Feed } from '../../workers/ingest/feed.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { fromEpochMicroseconds } from '../../workers/ingest/time.ts';
import { labLogger } from '../harness/server.ts';
import type { Database } from './database.ts';
import { type Figure, median, percentile } from './figures.ts';
import { functionTimes, lateFunctionFigures, restingMs, timeFunctions } from './functions.ts';
import { priceOf } from './load.ts';
import { copyHistory, instrumentCount, published, storeHistory } from './pipeline.ts';
import { type Subscriber, startSubscriber } from './subscriber.ts';
import { withSystem } from './system.ts';
import { addInstruments } from './ticks.ts';

const part = 'late';
const batchSize = 1_000;
const dayMs = 86_400_000;

/**
 * Ticks of yesterday that come in today: an hour of twenty instruments, then single ones, then a hundred
 * at once that are far apart. Until every candle in every timeframe was published, and is what its ticks
 * say.
 */
export async function measureLate(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const ids = await addInstruments(sql, instrumentCount);
  const symbols = [...ids.keys()];
  const history = { hours: 2, budgetMs: 60_000 };
  await copyHistory(database, ids, { ...history, endMs: dayMs - 3_600_000 });
  await copyHistory(database, ids, { ...history, hours: 0.5 });
  await storeHistory(sql);
  // Else upkeep would do that first, beside all that is measured.
  await sql`call ops.reconcile_yesterday()`;
  await timeFunctions(sql);
  const connection = openDatabase({
    url,
    process: 'bench ingest',
    role: 'foresight_ingest',
    logger: labLogger,
    maxConnections: 1,
  });
  try {
    return await withSystem({ processes: [], urlOf: () => url }, async system => {
      const subscriber = await startSubscriber(system.queue.endpoint, 'bench', symbols);
      system.onStop(() => subscriber.stop());
      await sql`select outbox.subscribe('bench', 'bench')`;
      for (const name of ['upkeep', 'publish']) await system.start(name);
      const feed = createFeed(connection);
      // A full hour, within the two that are filled.
      const from = Math.ceil((Date.now() - dayMs - 3_600_000) / 3_600_000) * 3_600_000;
      const seconds = isQuick ? 600 : 3_600;
      return [
        ...(await measureHour({ sql, feed }, symbols, from, seconds)),
        ...(await measureSingles({ sql, feed, subscriber }, symbols, from, isQuick ? 5 : 20)),
        ...(await measureScattered({ sql, feed }, symbols)),
      ];
    });
  } finally {
    await connection.end({ timeout: 2 });
  }
}

async function measureHour(
  { sql, feed }: { sql: Sql; feed: Feed },
  symbols: readonly string[],
  from: number,
  seconds: number,
): Promise<Figure[]> {
  const count = seconds * symbols.length;
  const ticks = Array.from({ length: count }, (_, index) =>
    lateTick(
      symbols[index % symbols.length] ?? '',
      from + Math.floor(index / symbols.length) * 1_000,
      0.3 + (index % 1_000) / 10_000,
    ),
  );
  const before = await functionTimes(sql);
  const { storedMs, publishedMs } = await publishLate({ sql, feed }, ticks);
  await sleep(restingMs);
  const after = await functionTimes(sql);
  const wrong = await wrongCandles(sql, from, seconds);
  if (wrong > 0) throw new Error(`${wrong} candles are not what their ticks say`);
  const name = `${seconds / 60} minutes of 20 instruments`;
  return [
    { part, name: `${name}: late ticks`, unit: 'ticks', value: count },
    { part, name: `${name}: stored in`, unit: 's', value: storedMs / 1_000 },
    {
      part,
      name: `${name}: last commit -> all right and published`,
      unit: 'ms',
      value: publishedMs,
    },
    {
      part,
      name: `${name}: all of it`,
      unit: 'ms a late tick',
      value: (storedMs + publishedMs) / count,
    },
    { part, name: `${name}: candles not as their ticks say`, unit: 'candles', value: wrong },
    ...lateFunctionFigures(part, name, before, after),
  ];
}

/** Stores late ticks and waits until all was published. */
async function publishLate(
  { sql, feed }: { sql: Sql; feed: Feed },
  ticks: readonly Tick[],
): Promise<{ storedMs: number; publishedMs: number }> {
  const startedAt = performance.now();
  for (let start = 0; start < ticks.length; start += batchSize) {
    await record(feed, ticks.slice(start, start + batchSize));
    await feed.nudge();
  }
  const storedAt = performance.now();
  await published(sql, 180_000);
  return { storedMs: storedAt - startedAt, publishedMs: performance.now() - storedAt };
}

/** One tick in each twelve minutes of the day before this hour, so that no two are near each other. */
async function measureScattered(
  { sql, feed }: { sql: Sql; feed: Feed },
  symbols: readonly string[],
): Promise<Figure[]> {
  const hours = 20;
  const from = Math.floor(Date.now() / 3_600_000) * 3_600_000 - (hours + 1) * 3_600_000;
  const ticks = Array.from({ length: hours * 5 }, (_, index) =>
    lateTick(symbols[index % symbols.length] ?? '', from + index * 720_000 + 7_777, 0.3),
  );
  const { publishedMs } = await publishLate({ sql, feed }, ticks);
  const wrong = await wrongCandles(sql, from, hours * 3_600);
  if (wrong > 0) throw new Error(`${wrong} candles are not what their ticks say`);
  return [
    {
      part,
      name: `${ticks.length} ticks of ${hours} hours, far apart: last commit -> all right and published`,
      unit: 'ms',
      value: publishedMs,
    },
  ];
}

/** One tick at a time, its price higher than all before it: the subscriber knows it by that. */
async function measureSingles(
  { sql, feed, subscriber }: { sql: Sql; feed: Feed; subscriber: Subscriber },
  symbols: readonly string[],
  from: number,
  count: number,
): Promise<Figure[]> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from feed.timeframes`;
  const timeframeCount = row?.count ?? 0;
  const first: number[] = [];
  const all: number[] = [];
  for (let number = 1; number <= count; number++) {
    await subscriber.update();
    const place = number % symbols.length;
    const observedAt = from + number * 17_000 + 250;
    await record(feed, [lateTick(symbols[place] ?? '', observedAt, priceOf(number))]);
    const committedAt = Date.now();
    await feed.nudge();
    const own = () =>
      subscriber.receipts.filter(each => each.place === place && each.number === number);
    for (const deadline = Date.now() + 30_000; own().length < timeframeCount; await sleep(20)) {
      if (Date.now() > deadline) {
        throw new Error(`a late tick came in ${own().length} of ${timeframeCount} timeframes`);
      }
      await subscriber.update();
    }
    const waits = own().map(receipt => receipt.seenAt - committedAt);
    first.push(Math.min(...waits));
    all.push(Math.max(...waits));
    // Not in step with what upkeep does every half second.
    await sleep(130 + 37 * (number % 10));
  }
  return [
    { part, name: 'one tick -> first message, median', unit: 'ms', value: median(first) },
    {
      part,
      name: 'one tick -> messages of all timeframes, median',
      unit: 'ms',
      value: median(all),
      samples: all,
    },
    {
      part,
      name: 'one tick -> messages of all timeframes, max',
      unit: 'ms',
      value: percentile(all, 1),
    },
  ];
}

async function record(feed: Feed, ticks: readonly Tick[]): Promise<void> {
  const { stored } = await feed.recordTicks('manual', ticks);
  if (stored !== ticks.length) throw new Error(`${stored} of ${ticks.length} late ticks were new`);
}

/** Of seq 1, so that it is new also where the history has a tick. */
function lateTick(symbol: string, observedAtMs: number, mid: number): Tick {
  return {
    symbol,
    observedAt: fromEpochMicroseconds(Math.round(observedAtMs * 1_000)),
    seq: 1,
    bid: mid - 2 ** -12,
    ask: mid + 2 ** -12,
    last: null,
    size: null,
  };
}

/** Candles of that time that late ticks came into, in every timeframe, whose published state is not what the stored ticks say. */
async function wrongCandles(sql: Sql, fromMs: number, seconds: number): Promise<number> {
  const timeframes = await sql<{ timeframe: string; seconds: number }[]>`
    select timeframe, extract(epoch from width)::float8 as seconds from feed.timeframes`;
  let wrong = 0;
  for (const { timeframe, seconds: width } of timeframes) {
    const at = (milliseconds: number): string => new Date(milliseconds).toISOString();
    const origin = Date.UTC(2000, 0, 3);
    const bucketMs = width * 1_000;
    const bucketOf = (ms: number) => origin + Math.floor((ms - origin) / bucketMs) * bucketMs;
    const last = bucketOf(fromMs + seconds * 1_000 - 1) + bucketMs;
    const [row] = await sql<{ checked: number; wrong: number }[]>`
      select count(*)::int as checked, count(*) filter (
        where (c.open, c.high, c.low, c.close, c.tick_count)
          is distinct from (t.open, t.high, t.low, t.close, t.tick_count))::int as wrong
      from (
        select t.instrument_id,
          date_bin(make_interval(secs => ${width}::float8), t.observed_at, '2000-01-03Z') as bucket,
          (array_agg((t.bid + t.ask) / 2 order by t.observed_at, t.seq))[1] as open,
          max((t.bid + t.ask) / 2) as high, min((t.bid + t.ask) / 2) as low,
          (array_agg((t.bid + t.ask) / 2 order by t.observed_at desc, t.seq desc))[1] as close,
          count(*) as tick_count
        from feed.ticks as t
        where t.observed_at >= ${at(bucketOf(fromMs))}::text::timestamptz
          and t.observed_at < ${at(last)}::text::timestamptz
        group by 1, 2
        having bool_or(t.seq = 1)
      ) as t
      left join outbox.candles as c on c.instrument_id = t.instrument_id
        and c.timeframe = ${timeframe} and c.side = 'mid' and c.bucket = t.bucket`;
    if ((row?.checked ?? 0) === 0) throw new Error(`there are no candles of ${timeframe} to check`);
    wrong += row?.wrong ?? 0;
  }
  return wrong;
}
