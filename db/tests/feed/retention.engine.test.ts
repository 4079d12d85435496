import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { withSessions } from '../../../tests/support/session.ts';
import { ticksOf } from '../../../tests/support/tick_series.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import type { Sql } from '../../runtime/database.ts';

/** A time of a day in March 2026. */
function on(day: number, time = '12:00:00'): string {
  return `2026-03-0${day}T${time}Z`;
}

/** An instrument with ticks of some days, all in the candles. */
async function openMarket(sql: Sql) {
  const feed = createFeed(sql);
  const symbol = await addInstrument(sql);
  const ticks = [1, 2, 3, 4, 6].flatMap(day => ticksOf(symbol, 300, { from: on(day, '23:57:00') }));
  await feed.recordTicks('manual', ticks);
  await capture(sql);
  await sql`call feed.advance_candles()`;

  /** Everything that is stored of a symbol's candles before a time, byte for byte. */
  async function frozen(before: string): Promise<unknown[]> {
    const timeframes = await sql<
      { timeframe: string }[]
    >`select timeframe from feed.timeframes order by width`;
    const all: unknown[] = [];
    for (const { timeframe } of timeframes) {
      all.push(
        ...(await sql.unsafe(
          `select '${timeframe}' as timeframe, c::text from feed.candles_${timeframe} as c
           where c.instrument_id = feed.instrument_id('${symbol}') and c.bucket < '${before}' order by c.bucket`,
        )),
      );
    }
    return all.map(row => ({ ...(row as object) }));
  }

  /** Gives up what is older than a day in March, at whatever time of which day this runs. */
  async function giveUpBefore(day: number, levels = ['ticks']): Promise<void> {
    await sql`update feed.storage set retain_for = now() - ${on(day, '06:00:00')}::text::timestamptz
      where level = any (${levels})`;
    await sql`call ops.apply_storage()`;
  }

  async function storedTicks() {
    const [row] = await sql<{ count: number; first: string }[]>`
      select count(*)::int, to_char(min(observed_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as first
      from feed.ticks where instrument_id = feed.instrument_id(${symbol})`;
    return row;
  }

  async function floors() {
    const rows = await sql<{ level: string; floor: string; is_dropped: boolean }[]>`
      select level, to_char(floor_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as floor, floor_at = dropped_to as is_dropped
      from feed.storage where floor_at > '-infinity' order by level`;
    return rows.map(row => ({ ...row }));
  }

  return { sql, feed, symbol, ticks, frozen, giveUpBefore, storedTicks, floors };
}

type Market = Awaited<ReturnType<typeof openMarket>>;

/** Floors never go back, so each test has a database of its own. */
function itOnMarket(title: string, test: (market: Market) => Promise<void>): void {
  describeOnEngine('Retention', ({ sql }) => {
    it(title, async () => test(await openMarket(sql)));
  });
}

itOnMarket(
  'drops ticks while their candles stay as they are, whatever comes later',
  async market => {
    const { sql, feed, symbol, ticks, frozen } = market;
    const floor = on(4, '00:00:00');
    const before = await frozen(floor);
    expect(before.length).toBeGreaterThan(500);

    await market.giveUpBefore(4);
    expect(await market.floors()).toEqual([{ level: 'ticks', floor, is_dropped: true }]);
    const isKept = (tick: Tick) => Date.parse(tick.observedAt) >= Date.parse(floor);
    const kept = ticks.filter(isKept);
    expect(await market.storedTicks()).toEqual({ count: kept.length, first: kept[0]?.observedAt });
    expect(await frozen(floor)).toEqual(before);

    // Late ones of then are kept aside with the reason, and of later days taken in.
    const refused = await feed.recordTicks('manual', [
      tickOf(symbol, on(2, '23:58:00'), { bid: 9 }),
    ]);
    expect(refused).toMatchObject({ stored: 0, rejected: 1 });
    const [rejected] = await sql`select reason from feed.rejected_ticks where symbol = ${symbol}`;
    expect(rejected).toEqual({ reason: 'older_than_retention' });
    await expect(
      sql`insert into feed.ticks (instrument_id, observed_at, bid)
      values (feed.instrument_id(${symbol}), ${on(3, '23:58:00')}::text::timestamptz, 1)`,
    ).rejects.toMatchObject({ code: 'RETEN' });
    const late = ticksOf(symbol, 50, { from: floor, base: 2 });
    await feed.recordTicks('manual', late);
    await capture(sql);
    await sql`call feed.refresh_candles('-infinity', 'infinity', force => true)`;
    await sql`call feed.advance_candles()`;
    await sql`call ops.reconcile('-infinity', 'infinity')`;
    await sql`call ops.apply_storage()`;
    expect(await frozen(floor)).toEqual(before);
    const [found] = await sql`
    select sum(different)::int as different, sum(compared)::int > 100 as is_compared from ops.reconciliations`;
    expect(found).toEqual({ different: 0, is_compared: true });
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
  },
);

itOnMarket('goes on from the candles: a new timeframe, history, windows', async market => {
  const { sql, symbol, ticks } = market;
  await market.giveUpBefore(4);
  await sql`select feed.add_timeframe('30s')`;
  await sql`call feed.advance_candles()`;
  await expectCandlesOf(sql, symbol, ticks);
  const [row] = await sql`
    select feed.next_bucket(feed.instrument_id(${symbol}), '1m', '-infinity') =
        (select min(bucket) from feed.candles(${symbol}, '1m', 'bid')) as is_first,
      (select cardinality(w.buckets) from indicator.candle_window(
        feed.instrument_id(${symbol}), '1m', 'bid', '2026-03-07Z', '2026-03-07Z', 1000, 0) as w)
        = (select count(*) from feed.candles(${symbol}, '1m', 'bid', '-infinity', '2026-03-07 00:01Z')) as has_all`;
  expect(row).toEqual({ is_first: true, has_all: true });
});

itOnMarket('stops before ticks whose candles differ and cannot be repaired', async market => {
  const { sql } = market;
  const { count } = (await market.storedTicks()) ?? {};
  // As if the repair had been for nothing.
  await sql.unsafe(`create function ops.spoil() returns trigger language plpgsql as
    $$ begin new.unrepaired := 1; return new; end $$`);
  await sql`create trigger spoil before insert on ops.reconciliations for each row execute function ops.spoil()`;
  await expect(market.giveUpBefore(5)).rejects.toMatchObject({ code: 'RECON' });
  expect(await market.floors()).toEqual([]);
  expect(await market.storedTicks()).toMatchObject({ count });
});

itOnMarket('drops candles of a timeframe too, and those above stay', async market => {
  const { sql, symbol } = market;
  const minutes = async () => [...(await sql`select * from feed.candles(${symbol}, '1m', 'bid')`)];
  const isFinal = (candle: Record<string, unknown>) => String(candle.bucket) < '2026-03-04';
  const before = await minutes();
  expect(before.some(isFinal) && !before.every(isFinal)).toBe(true);
  await market.giveUpBefore(4, ['ticks', '1s']);
  await sql`call feed.refresh_candles('-infinity', 'infinity', force => true)`;
  const after = await minutes();
  expect(after.filter(isFinal)).toEqual(before.filter(isFinal));
  // Those that are made anew add up in the order in which the engine reads.
  expect(after).toEqual(
    before.map(candle => ({
      ...candle,
      sum: expect.closeTo(candle.sum, 9),
      average: expect.closeTo(candle.average, 9),
    })),
  );
  const floor = { floor: on(4, '00:00:00'), is_dropped: true };
  expect(await market.floors()).toEqual([
    { level: '1s', ...floor },
    { level: 'ticks', ...floor },
  ]);
});

itOnMarket('waits for ticks that are being inserted, and has them in the candles', async market => {
  const { sql } = market;
  const symbol = await addInstrument(sql);
  await withSessions(sql, async (ingest, watching) => {
    await ingest.sql`begin`;
    await ingest.sql`insert into feed.ticks (instrument_id, observed_at, bid)
      values (feed.instrument_id(${symbol}), ${on(4, '23:59:00')}::text::timestamptz, 1)`;
    // It waits for this one, for at most three seconds.
    await expect(market.giveUpBefore(5)).rejects.toMatchObject({ code: '55P03' });
    expect(await market.floors()).toMatchObject([{ level: 'ticks', is_dropped: false }]);
    // Nobody else may add such a tick from now on.
    const other = createFeed(watching.sql);
    const late = [tickOf(symbol, on(4, '23:58:00'), { bid: 2 })];
    expect(await other.recordTicks('manual', late)).toMatchObject({ rejected: 1 });
    await ingest.sql`commit`;
  });
  await sql`call ops.apply_storage()`;
  expect(await market.floors()).toMatchObject([{ level: 'ticks', is_dropped: true }]);
  const days = await sql`select tick_count::int from feed.candles(${symbol}, '1d', 'bid')`;
  expect([...days]).toEqual([{ tick_count: 1 }]);
});

describeOnEngine('Candles whose ticks were given up', ({ sql }) => {
  const feed = createFeed(sql);
  let firstDay = Date.parse('2026-04-01T00:00:00Z');

  type Action =
    | { kind: 'ticks'; day: number; second: number; count: number }
    | { kind: 'give up'; days: number }
    | { kind: 'advance' | 'refresh' | 'refresh late' | 'reconcile' | 'compress' };

  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('ticks' as const),
        day: fc.integer({ min: 0, max: 4 }),
        second: fc.constantFrom(0, 1, 3_599, 43_200, 86_390),
        count: fc.integer({ min: 1, max: 30 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('give up' as const),
        days: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          ...(['advance', 'refresh', 'refresh late', 'reconcile', 'compress'] as const),
        ),
      }),
    },
  );

  it('never change again, and the others equal the ticks, whatever comes in which order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 14 }), async actions => {
        // Floors never go back, so each run has days of its own.
        const day = (n: number) => new Date(firstDay + n * 86_400_000).toISOString();
        const symbol = await addInstrument(sql);
        const sent: Tick[] = [];
        let floor = day(0);
        let frozen: unknown[] = [];
        const stored = async (where: string) => {
          const rows: unknown[] = [];
          for (const timeframe of ['1s', '1m', '5m', '15m', '1h', '4h', '1d']) {
            rows.push(
              ...(await sql.unsafe(
                `select '${timeframe}' as timeframe, c::text from feed.candles_${timeframe} as c
                 where c.instrument_id = feed.instrument_id('${symbol}') and ${where} order by c.bucket`,
              )),
            );
          }
          return rows.map(row => ({ ...(row as object) }));
        };
        for (const each of actions) {
          switch (each.kind) {
            case 'ticks': {
              const from = new Date(Date.parse(day(each.day)) + each.second * 1_000).toISOString();
              const ticks = ticksOf(symbol, each.count, { from, everyMs: 500 }).map(tick => ({
                ...tick,
                seq: sent.length + Number(tick.seq),
              }));
              const { rejected } = await feed.recordTicks('manual', ticks);
              const kept = ticks.filter(tick => Date.parse(tick.observedAt) >= Date.parse(floor));
              expect(rejected).toBe(ticks.length - kept.length);
              sent.push(...kept);
              break;
            }
            case 'give up': {
              if (Date.parse(day(each.days)) <= Date.parse(floor)) break;
              floor = day(each.days);
              await sql`update feed.storage
                set retain_for = now() - ${floor}::text::timestamptz - interval '6 hours' where level = 'ticks'`;
              await sql`call ops.apply_storage()`;
              frozen = await stored(`c.bucket < '${floor}'`);
              break;
            }
            case 'advance':
              await sql`call feed.advance_candles()`;
              break;
            case 'refresh':
              await sql`call feed.refresh_candles('-infinity', 'infinity', force => true)`;
              break;
            case 'refresh late':
              await sql`call outbox.refresh_late()`;
              break;
            case 'reconcile':
              await sql`call ops.reconcile('-infinity', 'infinity')`;
              break;
            case 'compress':
              await sql`update feed.storage set compress_after = '7 days'`;
              await sql`call ops.apply_storage()`;
          }
        }
        await capture(sql);
        expect(await stored(`c.bucket < '${floor}'`)).toEqual(frozen);
        await expectCandlesOf(sql, symbol, sent);
        const [found] =
          await sql`select coalesce(sum(different), 0)::int as different from ops.reconciliations`;
        expect(found).toEqual({ different: 0 });
        firstDay += 5 * 86_400_000;
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });
});
