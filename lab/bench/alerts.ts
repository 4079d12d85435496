import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { createAlerts } from '../../workers/alert/alert.ts';
import { createFeed, type Feed } from '../../workers/ingest/feed.ts';
import type { Database } from './database.ts';
import { type Figure, median } from './figures.ts';
import { preparePipeline, settled } from './pipeline.ts';
import { serviceNames, withSystem } from './system.ts';

const part = 'alerts';

/** How long a tick takes to become a message, and what rules cost who stores values and who looks. */
export async function measureAlerts(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const { symbols, shown } = await preparePipeline(database, { hours: 1, budgetMs: 120_000 });
  const feed = createFeed(sql);
  const processes = ['upkeep', 'publish', ...serviceNames];
  const { ways, startedAt } = await withSystem({ processes, urlOf: () => url }, async () => {
    const startedAt = await tick({ sql, feed }, symbols, 0.5);
    await settled(sql);
    await addRules(sql, shown.slice(0, 1));
    // What was so when the rule was added is taken back silently.
    for (const bid of [5, 0.01]) {
      await tick({ sql, feed }, symbols.slice(0, 1), bid);
      await sleep(3_000);
    }
    const about = { sql, feed, symbols: symbols.slice(0, 1), count: isQuick ? 6 : 30 };
    const ways = [
      ...waysOf('a tick after seconds of quiet', await measureWays({ ...about, everyMs: 0 })),
      ...waysOf('20 ticks/s', await measureWays({ ...about, everyMs: 50 })),
    ];
    await sql`delete from alert.rules`;
    await settled(sql);
    return { ways, startedAt };
  });
  // Nobody else looks now.
  return [...ways, ...(await measureStoring(sql, shown, startedAt, isQuick ? 10 : 100))];
}

/** A claim of values of one captured candle, with and without a rule on each instrument. */
async function measureStoring(
  sql: Sql,
  ruled: readonly number[],
  time: string,
  count: number,
): Promise<Figure[]> {
  const alerts = createAlerts(sql);
  let verdict = 1;
  const store = async (): Promise<void> => {
    verdict = -verdict;
    await sql`
      select indicator.record_values(
        array_agg(d.indicator_id), array_agg(date_trunc('minute', ${time}::text::timestamptz)), array_agg('{1,1,1}'::text),
        array_agg(${verdict}::smallint), array_agg(${verdict}::real), array_agg(null::int), array_agg(null::float8),
        array_agg(null::float8), array_agg(100), array_agg(nextval('outbox.revision')))
      from indicator.definitions as d where d.timeframe = '1m'`;
  };
  const look = async (): Promise<void> => {
    while ((await alerts.detect()) > 0);
  };
  const measure = async (): Promise<{ storing: number; looking: number }> => {
    const storing: number[] = [];
    const looking: number[] = [];
    for (let n = 0; n < count; n++) {
      const begunAt = performance.now();
      await store();
      const storedAt = performance.now();
      await look();
      storing.push(storedAt - begunAt);
      looking.push(performance.now() - storedAt);
    }
    return { storing: median(storing), looking: median(looking) };
  };
  await look();
  await measure();
  const none = await measure();
  await addRules(sql, ruled);
  await sql`update alert.rules set from_bucket = '-infinity'`;
  const some = await measure();
  const batch = `record_values of ${5 * ruled.length} values`;
  const rules = `${ruled.length} rules, one per instrument`;
  return [
    { part, name: `${batch}, no rule`, unit: 'ms', value: none.storing },
    { part, name: `${batch}, ${rules}`, unit: 'ms', value: some.storing },
    {
      part,
      name: `a look with ${rules}, each of which has to tell`,
      unit: 'ms',
      value: some.looking,
    },
  ];
}

async function addRules(sql: Sql, indicatorIds: readonly number[]): Promise<void> {
  await sql`
    select alert.add('bench', 'verdict', i.symbol, d.timeframe, d.kind, d.params, d.side, queue => 'bench-alerts')
    from indicator.definitions as d join feed.instruments as i using (instrument_id)
    where d.indicator_id = any (${indicatorIds as number[]}::int[])`;
}

/** A tick of each, now by the database's clock, which is returned. */
async function tick(
  { sql, feed }: { readonly sql: Sql; readonly feed: Feed },
  symbols: readonly string[],
  bid: number,
): Promise<string> {
  const [{ now }] = await sql<[{ now: string }]>`
    select to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`;
  const price = { seq: null, bid, ask: bid + 0.001, last: null, size: null };
  await feed.recordTicks(
    'manual',
    symbols.map(symbol => ({ symbol, observedAt: now, ...price })),
  );
  await feed.nudge();
  return now;
}

/** Milliseconds from a tick that turns a verdict until its message is delivered, by the database's clock. */
async function measureWays(parts: {
  readonly sql: Sql;
  readonly feed: Feed;
  readonly symbols: readonly string[];
  readonly count: number;
  /** Ticks that follow meanwhile; 0: none, and some seconds of quiet before. */
  readonly everyMs: number;
}): Promise<number[]> {
  const { sql, symbols, count, everyMs } = parts;
  const ways: number[] = [];
  for (let n = 0; n < count; n++) {
    if (everyMs === 0) await sleep(2_500 + ((n * 397) % 1_000));
    const bid = n % 2 === 0 ? 5 : 0.01;
    const turnedAt = await tick(parts, symbols, bid);
    for (const deadline = Date.now() + 30_000; ; ) {
      const [{ way }] = await sql<[{ way: number | null }]>`
        select extract(epoch from min(d.delivered_at) - ${turnedAt}::text::timestamptz)::float8 * 1000 as way
        from alert.deliveries as d where d.queued_at >= ${turnedAt}::text::timestamptz`;
      if (way !== null) {
        ways.push(way);
        break;
      }
      if (Date.now() > deadline) throw new Error('a turn was not told');
      if (everyMs > 0) await tick(parts, symbols, bid);
      await sleep(everyMs > 0 ? everyMs : 20);
    }
  }
  return ways;
}

const waysOf = (name: string, ways: readonly number[]): Figure[] => [
  { part, name: `${name} -> alert sent, median`, unit: 'ms', value: median(ways) },
  { part, name: `${name} -> alert sent, longest`, unit: 'ms', value: Math.max(...ways) },
];
