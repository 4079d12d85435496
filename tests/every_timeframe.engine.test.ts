import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sql } from '../db/runtime/database.ts';
import { createApp } from '../web/app.ts';
import { createDashboard } from '../web/dashboard.ts';
import { createEvents } from '../web/live/events.ts';
import { createReader } from '../web/reader.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import type { Tick } from '../workers/ingest/source.ts';
import { addInstrument, capture, describeOnEngine, testLogger } from './support/database.ts';
import { addIndicator, catchUp, registerCatalog } from './support/indicators.ts';
import { type OracleCandle, type Side, toldCandles } from './support/oracle.ts';
import { schemas } from './support/schemas.ts';
import { tickOf } from './support/ticks.ts';

const minutesMs = 60_000;

/** What the walk gives for a parameter of this name: a column of the rows that it goes through. */
const argumentOf: Readonly<Record<string, string>> = {
  symbol: 'i.symbol',
  instrument_id: 'i.instrument_id',
  indicator_id: 'd.indicator_id',
  timeframe: 't.timeframe',
  side: 's.side',
  from_time: 'w.from_time',
  to_time: 'w.to_time',
  instrument_ids: 'array[i.instrument_id]',
  at: 'now()',
  trends: 'null',
  max_candles: '50',
  max_ticks: '50',
};

/** Functions outside the schema of the page that read candles, or follow the timeframes. */
const readers = [
  'feed.candles(i.symbol, t.timeframe, s.side)',
  'feed.candles(i.symbol, t.timeframe, s.side, w.from_time, w.to_time)',
  'feed.filled_candles(i.symbol, t.timeframe, s.side, w.to_time - 30 * t.width, w.to_time + 30 * t.width)',
  'feed.fx_days(i.symbol, s.side, w.from_time, w.to_time)',
  'feed.next_bucket(i.instrument_id, t.timeframe, w.to_time)',
  'feed.history_start(i.instrument_id, t.timeframe)',
  'indicator.candle_window(i.instrument_id, t.timeframe, s.side, feed.bucket(t.width, w.to_time), feed.bucket(t.width, w.to_time), 20, 3)',
  `indicator.candle_windows(array[i.instrument_id], array[t.timeframe], array[s.side],
    array[feed.bucket(t.width, w.to_time)], array[feed.bucket(t.width, w.to_time)], array[20], array[3])`,
  'outbox.next_work_at()',
  "indicator.next_work_at('classical')",
];

interface Walked {
  readonly fx_days: unknown;
  readonly trends: unknown;
}

describeOnEngine('Whatever timeframes there are', ({ sql }) => {
  /** By instrument: one with a history of hours, one without a tick, and so on. */
  const ticksOf = new Map<string, Tick[]>();
  let before: Walked;
  const dashboard = createReader({
    open: () => ({ ...createDashboard(sql), close: () => undefined }),
    logger: testLogger,
    patience: 30_000,
    giveUpAfter: 60_000,
  });
  const events = createEvents({ dashboard, logger: testLogger });
  const app = createApp({ dashboard, events, logger: testLogger });

  beforeAll(async () => {
    await registerCatalog(sql);
    const [row] = await sql<{ now: number }[]>`
      select (extract(epoch from now()) * 1000)::float8 as now`;
    const now = row?.now ?? Number.NaN;
    const series = async (
      newestMs: number,
      prices: (n: number) => Partial<Pick<Tick, 'bid' | 'ask' | 'last' | 'size'>>,
    ): Promise<void> => {
      const symbol = await addInstrument(sql);
      // Ten hours with a hole, the newest last.
      const ticks = Array.from({ length: 120 }, (_, n) => n)
        .filter(n => n < 60 || n > 70)
        .map(n =>
          tickOf(
            symbol,
            new Date(newestMs - (119 - n) * 5 * minutesMs - (n % 7) * 1_000).toISOString(),
            prices(n),
          ),
        );
      ticksOf.set(symbol, ticks);
    };
    const price = (n: number): number => 100 + ((n * 37) % 101) / 4;
    await series(now - 2_000, n => ({ bid: price(n), ask: price(n) + 1 }));
    await series(now - 5 * 86_400_000, n => ({ bid: price(n), ask: price(n) + 1 }));
    await series(now - 3_000, n => ({ last: price(n), size: n % 3 }));
    // A trade now and then among the quotes.
    await series(now - 4_000, n => ({
      bid: price(n),
      ask: price(n) + 1,
      ...(n % 11 === 5 ? { last: price(n) + 0.5, size: 2 } : {}),
    }));
    ticksOf.set(await addInstrument(sql), []);
    await createFeed(sql).recordTicks('manual', [...ticksOf.values()].flat());
    await capture(sql);
    await sql`call feed.advance_candles()`;
    // Of the finest, which stays.
    for (const symbol of ticksOf.keys())
      await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1s' });
    await catchUp(sql);
    before = await walk();
  });

  afterAll(() => events.close());

  async function walk(): Promise<Walked> {
    for (const reader of [...readers, ...(await pageFunctions(sql))]) await read(sql, reader);
    const views = await sql<{ name: string }[]>`
      select format('%I.%I', v.schemaname, v.viewname) as name from pg_views as v
      where v.schemaname = any (${schemas})`;
    expect(views.length).toBeGreaterThan(5);
    for (const { name } of views) await sql.unsafe(`select * from ${name}`);
    const [first] = await sql<{ id: number }[]>`
      select min(indicator_id) as id from indicator.definitions`;
    for (const path of [
      '/',
      '/status',
      `/indicators/${first?.id}`,
      ...[...ticksOf.keys()].map(symbol => `/instruments/${symbol}`),
    ])
      expect((await app.request(path)).status, path).toBe(200);
    const different = await sql`
      select c.timeframe from ops.compare_candles(now() - interval '7 days', now() + interval '1 day') as c
      where c.buckets is not null`;
    expect([...different]).toEqual([]);
    for (const [symbol, ticks] of ticksOf) {
      const [trend] = await sql`
        select t.day_open, t.closes from dashboard.trends() as t
        join feed.instruments as i using (instrument_id) where i.symbol = ${symbol}`;
      expect(trend, symbol).toEqual(oracleTrend(ticks, symbol));
    }
    const [answers] = await sql<Walked[]>`
      select
        (select jsonb_agg(to_jsonb(t) order by t.instrument_id) from dashboard.trends() as t) as trends,
        (select jsonb_agg(to_jsonb(f) - 'is_closed' order by i.instrument_id, s.side, f.trading_date)
         from feed.instruments as i, unnest(array['bid', 'mid', 'last']) as s(side),
           lateral feed.fx_days(i.symbol, s.side) as f) as fx_days`;
    return answers as Walked;
  }

  it('every function and view that reads answers', () => {
    expect(before.trends).toHaveLength(ticksOf.size - 1);
    expect(before.fx_days).not.toHaveLength(0);
  });

  it('also with others', async () => {
    for (const added of ['30s', '2h']) await sql`select feed.add_timeframe(${added})`;
    expect(await walk()).toEqual(before);
  });

  // Those that are made from another go before it.
  it.each([[['2h', '1d', '4h']], [['1h', '15m']], [['5m', '1m', '30s']]])(
    'also without %j',
    async removed => {
      for (const timeframe of removed) await sql`select feed.remove_timeframe(${timeframe})`;
      expect(await walk()).toEqual(before);
      for (const timeframe of removed)
        await expect(
          sql`select dashboard.candles(i.symbol, ${timeframe}) from feed.instruments as i`,
        ).rejects.toMatchObject({ code: 'NOTFR' });
    },
  );

  it('a kind whose default timeframe is gone is registered all the same', async () => {
    const [row] = await sql<{ timeframes: string }[]>`
      select string_agg(timeframe, ',') as timeframes from feed.timeframes`;
    expect(row?.timeframes).toBe('1s');
    await sql`select indicator.register_service('other')`;
    await sql`select indicator.register_kind('other', 'anything', '', '', 'ANY', '', '[]', '{close}',
      '[{"name": "x", "unit": "price", "pane": "own"}]', '[{"plus": 1}]',
      defaults => '[{"timeframe": "1m", "params": {}}, {"timeframe": "1s", "params": {}}]')`;
    const defaults = await sql`
      select timeframe from indicator.wishes where kind = 'anything'`;
    expect([...defaults]).toEqual([{ timeframe: '1s' }]);
  });

  it('the finest is needed by the ticks', async () => {
    await expect(sql`select feed.remove_timeframe('1s')`).rejects.toMatchObject({ code: 'TFUSE' });
  });
});

/** Calls of every function of the page's schema that reads. */
async function pageFunctions(sql: Sql): Promise<string[]> {
  const functions = await sql<{ name: string; parameters: string[] }[]>`
    select p.oid::regproc::text as name, coalesce(p.proargnames[1:p.pronargs], '{}') as parameters
    from pg_proc as p where p.pronamespace = 'dashboard'::regnamespace and p.provolatile <> 'i' order by 1`;
  expect(functions.length).toBeGreaterThan(8);
  return functions.map(({ name, parameters }) => {
    const given = parameters.map(parameter => {
      expect(Object.keys(argumentOf), `a value for the parameters of ${name}`).toContain(parameter);
      return argumentOf[parameter];
    });
    return `${name}(${given.join(', ')})`;
  });
}

/** Reads it for all instruments, timeframes, sides and indicators that its arguments name. */
async function read(sql: Sql, call: string): Promise<void> {
  const sources = [
    'feed.instruments as i',
    // The newest hours of the instrument; of one without ticks those until now.
    `lateral (select n.at - interval '3 hours' as from_time, n.at as to_time
      from (select coalesce(max(k.observed_at), now()) as at from feed.ticks as k where k.instrument_id = i.instrument_id) as n) as w`,
    ...(/\bt\./.test(call) ? ['feed.timeframes as t'] : []),
    ...(/\bs\./.test(call) ? ["unnest(array['bid', 'mid', 'last']) as s(side)"] : []),
    ...(/\bd\./.test(call)
      ? [
          'lateral (select coalesce(max(x.indicator_id), 0) from indicator.definitions as x) as d(indicator_id)',
        ]
      : []),
  ];
  await sql.unsafe(`select r from ${sources.join(', ')}, lateral ${call} as r`).catch(error => {
    throw new Error(`${call}: ${String(error)}`, { cause: error });
  });
}

/** Day and sparkline as the market page shows them: of a trade if there was one, else mid, else the one side there is. */
function oracleTrend(ticks: readonly Tick[], symbol: string) {
  const newest = ticks.at(-1);
  if (newest === undefined) return undefined;
  const bySide = (timeframe: string): [Side, OracleCandle][] =>
    (['last', 'mid', 'bid', 'ask'] as const).flatMap(side =>
      toldCandles(ticks, symbol, timeframe, side).map((candle): [Side, OracleCandle] => [
        side,
        candle,
      ]),
    );
  const day = newest.observedAt.slice(0, 10);
  const shown = Date.parse(newest.observedAt) - 450 * minutesMs;
  const closes = new Map<string, number>();
  for (const [, { bucket, close }] of bySide('15m'))
    if (Date.parse(bucket) > shown && !closes.has(bucket)) closes.set(bucket, close);
  return {
    day_open: bySide('1d').find(([, { bucket }]) => bucket.startsWith(day))?.[1].open,
    closes: [...closes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, close]) => close),
  };
}
