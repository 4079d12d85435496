import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import {
  capture,
  describeOnBothEngines,
  type TestDatabase,
} from '../../../tests/support/database.ts';
import { oracleDays, oracleFilled, sides } from '../../../tests/support/oracle.ts';
import { createRandom, type Random } from '../../../tests/support/random.ts';
import { createFeed, type Feed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import { MAX_SEQ } from '../../../workers/ingest/tick.ts';
import { fromEpochMicroseconds } from '../../../workers/ingest/time.ts';
import type { Sql } from '../../runtime/database.ts';

/** From Saturday to Monday over the night in which New York begins summer time. */
const from = '2026-03-07T20:00:00Z';
const to = '2026-03-09T03:00:00Z';
const symbols = ['BOTH', 'BID.ONLY', 'TRADES', 'MIXED'] as const;

/** What an instrument sends: which prices, and whether a trade has a size. */
function pricesOf(symbol: string, random: Random): Omit<Tick, 'symbol' | 'observedAt' | 'seq'> {
  // All digits that a double has, so that the order of additions would show.
  const bid = 1 + random.next() / 7;
  const quote = { bid, ask: bid + random.next() / 1_000, last: null, size: null };
  const trade = { bid: null, ask: null, last: 60_000 * bid, size: random.int(0, 400) / 7 };
  switch (symbol) {
    case 'BOTH':
      return quote;
    case 'BID.ONLY':
      return random.chance(0.5) ? { ...quote, ask: null } : { ...quote, bid: null };
    case 'TRADES':
      return random.chance(0.3) ? { ...trade, size: null } : trade;
    default:
      return random.pick([quote, { ...quote, ask: null }, trade, { ...quote, last: bid, size: 3 }]);
  }
}

/** Each key once. Some hours are empty, some ticks have equal times, many fall on the edges of buckets. */
function makeTicks(random: Random): Tick[] {
  const hourMs = 3_600_000;
  const hours = [];
  for (let hour = Date.parse(from); hour < Date.parse(to); hour += hourMs) {
    // The ends of days, and what New York's clocks leave out.
    const matters = /T(00|06|07|21|22|23):/.test(new Date(hour).toISOString());
    if (matters || random.chance(0.2)) hours.push(hour);
  }
  const ticks = new Map<string, Tick>();
  while (ticks.size < 6_000) {
    const symbol = random.pick(symbols);
    const second =
      random.pick(hours) + 1_000 * random.pick([0, 59, 60, 3_599, random.int(0, 3_599)]);
    const micros = random.pick([0, 1, 500_000, 999_999, random.int(0, 999_999)]);
    const observedAt = fromEpochMicroseconds(second * 1_000 + micros);
    const seq = random.pick([0, 0, 1, 2n ** 53n + 1n, MAX_SEQ]);
    const key = `${symbol} ${observedAt} ${seq}`;
    if (!ticks.has(key)) ticks.set(key, { symbol, observedAt, seq, ...pricesOf(symbol, random) });
  }
  return [...ticks.values()];
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map(item => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** In an order and in batches of the engine's own, with some sent again, and others under keys that are taken. */
async function send(
  feed: Feed,
  part: readonly Tick[],
  earlier: readonly Tick[],
  random: Random,
): Promise<void> {
  const again = earlier.filter(() => random.chance(0.15));
  const conflicting = earlier
    .filter(() => random.chance(0.05))
    .map(tick => ({ ...tick, bid: 7, ask: 9, last: 8, size: 1 }));
  const all = shuffled([...part, ...part.slice(0, 100), ...again, ...conflicting], random);
  const total = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
  for (let start = 0; start < all.length; ) {
    const size = random.int(1, random.pick([3, 50, 400]));
    const counts = await feed.recordTicks('manual', all.slice(start, start + size));
    for (const name of ['stored', 'duplicate', 'conflicting', 'rejected'] as const)
      total[name] += counts[name];
    start += size;
  }
  expect(total).toEqual({
    stored: part.length,
    duplicate: Math.min(100, part.length) + again.length,
    conflicting: conflicting.length,
    rejected: 0,
  });
}

/** The same ticks in four parts, and each time something else between them. */
async function fill(database: TestDatabase, ticks: readonly Tick[], random: Random): Promise<void> {
  const { sql, engine } = database;
  const feed = createFeed(sql);
  for (const symbol of symbols) {
    await feed.addInstrument('manual', { symbol, description: '', pricePrecision: 5 });
  }
  await sql`select outbox.subscribe('all', 'all', symbols => null::text[])`;
  await sql`select feed.add_timeframe('30s')`;
  await sql`select feed.add_timeframe('90s')`;
  await feed.extendCoverage(
    'manual',
    symbols.map(symbol => ({
      symbol,
      from: '2026-03-07T21:30:00Z',
      to: '2026-03-08T12:00:00Z',
      cause: null,
    })),
  );
  const parts = [0, 1, 2, 3].map(part => ticks.filter((_, index) => index % 4 === part));
  for (const [index, part] of parts.entries()) {
    await send(feed, part, parts.slice(0, index).flat(), random);
    const isTimescale = engine === 'timescaledb';
    switch (index) {
      case 0:
        if (isTimescale) await sql`call feed.advance_candles()`;
        await capture(sql);
        break;
      case 1:
        await capture(sql);
        await sql`call feed.refresh_candles('2026-03-07T22:00Z', '2026-03-08T05:00Z', force => ${isTimescale})`;
        await sql`select feed.add_timeframe('10m')`;
        await sql`select feed.add_timeframe('2h')`;
        await sql.unsafe(`update feed.storage set compress_after = '7 days'`);
        await sql`call ops.apply_storage()`;
        if (isTimescale) expect(await compressedChunks(sql)).toBeGreaterThan(2);
        break;
      case 2:
        // The last part comes late into all of it, compressed or not.
        await capture(sql);
        await sql`call feed.advance_candles()`;
        await sql`select feed.remove_timeframe('90s')`;
        break;
      default:
        await capture(sql);
        await sql`select feed.add_timeframe('6h')`;
    }
  }
}

async function compressedChunks(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(
    'select count(*)::int as count from timescaledb_information.chunks where is_compressed',
  );
  return row?.count ?? 0;
}

type Row = Readonly<Record<string, unknown>>;

/** Every bit of a double: what prints alike may differ. */
const bits = (column: string): string => `encode(float8send(${column}), 'hex') as ${column}`;

/** Sums of many doubles; everything else has to be equal to the last bit. */
const isSum = (column: string): boolean => /(^|_)(sum|volume|average)$/.test(column);

async function readRows(sql: Sql, relation: string, order: string): Promise<Row[]> {
  const columns = await sql.unsafe<{ name: string; type: string }[]>(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
     from pg_attribute as a where a.attrelid = 'pg_temp.shape'::regclass and a.attnum > 0 order by a.attname`,
  );
  const chosen = columns
    .filter(({ name }) => name !== 'instrument_id')
    .map(({ name, type }) =>
      type === 'double precision' && !isSum(name)
        ? bits(name)
        : isSum(name)
          ? name
          : `${name}::text`,
    );
  return [
    ...(await sql.unsafe<Row[]>(`select ${chosen.join(', ')} from ${relation} order by ${order}`)),
  ];
}

/** @returns how many rows were compared. */
function expectEqual(one: readonly Row[], other: readonly Row[], what: string): number {
  const exact = (row: Row) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !isSum(name)));
  expect(one.map(exact), what).toEqual(other.map(exact));
  for (const [index, row] of one.entries()) {
    for (const [name, sum] of Object.entries(row)) {
      if (!isSum(name)) continue;
      const theirs = other[index]?.[name];
      const isEqual =
        typeof sum === 'number' && typeof theirs === 'number'
          ? Math.abs(sum - theirs) <= 1e-9 * Math.abs(theirs)
          : sum === null && theirs === null;
      expect(isEqual, `${what} ${name}: ${sum} and ${theirs} in ${JSON.stringify(row)}`).toBe(true);
    }
  }
  return one.length;
}

describeOnBothEngines('The same ticks', (postgres, timescaledb) => {
  const databases = [postgres, timescaledb];

  /** The rows of a query on both engines, which must be equal; how many they are. */
  async function compare(relation: string, order: string): Promise<number> {
    const [one = [], other = []] = await Promise.all(
      databases.map(({ sql }) =>
        sql.begin(async transaction => {
          const session = transaction as unknown as Sql;
          await session.unsafe(
            `create temp table shape on commit drop as select * from ${relation} limit 0`,
          );
          return readRows(session, relation, order);
        }),
      ),
    );
    return expectEqual(one, other, relation);
  }

  it('give equal candles, whatever their order, batches, and what happens between', {
    timeout: 240_000,
  }, async () => {
    const random = createRandom(20_260_308);
    const ticks = makeTicks(random.fork('ticks'));
    await Promise.all(
      databases.map(database => fill(database, ticks, random.fork(database.engine))),
    );

    const timeframes = await Promise.all(
      databases.map(async ({ sql }) =>
        (
          await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes order by width`
        ).map(row => row.timeframe),
      ),
    );
    const expected = ['1s', '30s', '1m', '5m', '10m', '15m', '1h', '2h', '4h', '6h', '1d'];
    expect(timeframes).toEqual([expected, expected]);

    const stored = (timeframe: string) =>
      compare(
        `(select i.symbol, c.* from feed.candles_${timeframe} as c join feed.instruments as i using (instrument_id)) as c`,
        'symbol, bucket',
      );
    const counts: Record<string, number> = {};
    const count = (what: string, rows: number): void => {
      counts[what] = (counts[what] ?? 0) + rows;
    };
    for (const timeframe of expected) {
      const rows = await stored(timeframe);
      expect(rows, timeframe).toBeGreaterThan(11);
      count('stored', rows);
      for (const symbol of symbols) {
        for (const side of sides) {
          count(
            'feed.candles',
            await compare(`feed.candles('${symbol}', '${timeframe}', '${side}')`, 'bucket'),
          );
          if (!['1m', '10m', '1h'].includes(timeframe)) continue;
          count(
            'feed.filled_candles',
            await compare(
              `feed.filled_candles('${symbol}', '${timeframe}', '${side}', '${from}', '${to}')`,
              'bucket',
            ),
          );
        }
      }
    }
    for (const symbol of symbols) {
      for (const side of sides) {
        count(
          'feed.fx_days',
          await compare(`feed.fx_days('${symbol}', '${side}')`, 'trading_date'),
        );
      }
    }
    console.info(`compared on both engines: ${JSON.stringify(counts)}`);
    expect(counts.stored).toBeGreaterThan(6_000);
    expect(counts['feed.candles']).toBeGreaterThan(13_000);
    expect(counts['feed.filled_candles']).toBeGreaterThan(20_000);
    expect(counts['feed.fx_days']).toBeGreaterThan(29);

    for (const { sql } of databases) {
      for (const symbol of symbols) {
        const own = ticks.filter(tick => tick.symbol === symbol);
        await expectCandlesOf(sql, symbol, own);
        for (const side of sides) {
          const filled = await sql`
            select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, close, tick_count::int,
              filled is not null as is_filled
            from feed.filled_candles(${symbol}, '10m', ${side}, ${from}::text::timestamptz, ${to}::text::timestamptz)`;
          expect([...filled]).toEqual(oracleFilled(own, symbol, side, [from, to]));
          const days = await sql`
            select trading_date::text, open, high, low, close, tick_count::int from feed.fx_days(${symbol}, ${side})`;
          expect([...days]).toEqual(oracleDays(own, symbol, side));
        }
      }
    }

    // Each planted where nothing mends it: the smallest difference that counts must be seen.
    for (const [timeframe, planted] of [
      // The last bit of a double between 1 and 2.
      ['10m', 'update feed.candles_10m set bid_high = bid_high + 2.220446049250313e-16'],
      ['2h', 'update feed.candles_2h set bid_sum = bid_sum * (1 + 2e-9)'],
      ['6h', 'update feed.candles_6h set ask_count = ask_count + 1'],
      ['1d', 'delete from feed.candles_1d'],
    ] as const) {
      const { count: changed } = await postgres.sql.unsafe(
        `${planted} where (instrument_id, bucket) = (
           select instrument_id, bucket from feed.candles_${timeframe} as c
           where bid_high between 1 and 1.9 and ask_count > 0 order by bucket limit 1)`,
      );
      expect(changed, planted).toBe(1);
      await expect(stored(timeframe), planted).rejects.toThrow(`feed.candles_${timeframe}`);
    }
  });

  it('give the same words about what is not there', async () => {
    for (const { sql } of databases) {
      await expect(sql`select feed.candles('BOTH', '90s')`).rejects.toMatchObject({
        code: 'NOTFR',
      });
    }
  });
});
