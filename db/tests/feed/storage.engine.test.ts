import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import { ticksOf } from '../../../workers/tests/ticks.ts';
import { expectCandlesOf } from '../support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../support/database.ts';
import { capturedOf, subscribe } from '../support/outbox.ts';
import { untilBlocked, withSessions } from '../support/session.ts';
import { tickOf } from '../support/ticks.ts';

/** A time of a day in March 2026. */
function on(day: number, time = '12:00:00'): string {
  return `2026-03-0${day}T${time}Z`;
}

describeOnEngine('feed.storage', ({ sql, engine }) => {
  const feed = createFeed(sql);

  const set = (level: string, change: string) =>
    sql.unsafe(`update feed.storage set ${change} where level = '${level}'`);

  it('has a row for the ticks and one a timeframe, also a new one', async () => {
    await sql`select feed.add_timeframe('2h')`;
    const levels = await sql<{ level: string }[]>`select level from feed.storage order by level`;
    const timeframes = await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes`;
    expect(levels.map(row => row.level)).toEqual(
      ['ticks', ...timeframes.map(row => row.timeframe)].sort(),
    );
    await sql`select feed.remove_timeframe('2h')`;
    expect([...(await sql`select from feed.storage where level = '2h'`)]).toEqual([]);
  });

  for (const [level, change, code] of [
    ['ticks', `retain_for = '47 hours'`, '23514'],
    ['ticks', `compress_after = '23 hours'`, '23514'],
    ['1m', `retain_for = '30 days'`, 'STORE'],
    ['1s', `retain_for = '30 days'`, 'STORE'],
    ['ticks', `dropped_to = '2020-01-01Z'`, '23514'],
  ] as const) {
    it(`refuses ${change} of ${level}`, async () => {
      await expect(set(level, change)).rejects.toMatchObject({ code });
    });
  }

  it('lets one statement change several levels, and no floor go back', async () => {
    await sql.unsafe(
      `update feed.storage set retain_for = '400 days' where level in ('ticks', '1s', '1m')`,
    );
    await expect(set('1s', `retain_for = '401 days'`)).rejects.toMatchObject({ code: 'STORE' });
    await sql`update feed.storage set floor_at = '2001-01-01Z' where level = 'ticks'`;
    await expect(set('ticks', `floor_at = '2000-12-31Z'`)).rejects.toMatchObject({ code: 'STORE' });
    await sql.unsafe(`update feed.storage set retain_for = null`);
  });

  it('takes late ticks into compressed ticks and candles, and tells of them', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const ticks = ticksOf(symbol, 500, { from: on(2) });
    await feed.recordTicks('manual', ticks);
    await sql`call feed.advance_candles()`;
    await capture(sql);
    await sql.unsafe(`update feed.storage set compress_after = '7 days'`);
    await sql`call feed.apply_storage()`;
    if (engine === 'timescaledb') {
      const [row] = await sql`
        select count(*) filter (where is_compressed)::int > 1 as is_compressed from timescaledb_information.chunks`;
      expect(row).toEqual({ is_compressed: true });
    }
    await expectCandlesOf(sql, symbol, ticks);
    const before = await capturedOf(sql, symbol);
    const late = ticksOf(symbol, 40, { from: on(2, '12:03:00.5'), base: 1.3 });
    await feed.recordTicks('manual', late);
    await capture(sql);
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
    const after = await capturedOf(sql, symbol);
    const bucket = on(2, '12:03:00.000');
    const revisionIn = (candles: typeof after) =>
      candles.find(candle => candle.bucket === bucket)?.revision ?? 0;
    expect(revisionIn(after)).toBeGreaterThan(revisionIn(before));
    // What they uncompressed is compressed again.
    await sql`call feed.apply_storage()`;
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
    await sql.unsafe(`update feed.storage set compress_after = null where level <> 'ticks'`);
  });
});

describeOnEngine('Retention', ({ sql }) => {
  const feed = createFeed(sql);
  const days = [1, 2, 3, 4, 6];

  /** Everything that is stored of a symbol's candles before a time, byte for byte. */
  async function frozen(symbol: string, before: string): Promise<unknown[]> {
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
  const keepFrom = (day: number, levels = ['ticks']) => sql`
    update feed.storage set retain_for = now() - ${on(day, '06:00:00')}::text::timestamptz where level = any (${levels})`;

  const storedTicks = async (symbol: string) => {
    const [row] = await sql<{ count: number; first: string }[]>`
      select count(*)::int, to_char(min(observed_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as first from feed.ticks where instrument_id = feed.instrument_id(${symbol})`;
    return row;
  };

  it('drops ticks while their candles stay as they are, whatever comes later', async () => {
    const symbol = await addInstrument(sql);
    const ticks = days.flatMap(day => ticksOf(symbol, 300, { from: on(day, '23:57:00') }));
    await feed.recordTicks('manual', ticks);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    const floor = on(4, '00:00:00');
    const before = await frozen(symbol, floor);
    expect(before.length).toBeGreaterThan(500);

    await keepFrom(4);
    await sql`call feed.apply_storage()`;
    const [storage] = await sql`
      select to_char(floor_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as floor, floor_at = dropped_to as is_dropped
      from feed.storage where level = 'ticks'`;
    expect(storage).toEqual({ floor, is_dropped: true });
    const kept = ticks.filter(tick => Date.parse(tick.observedAt) >= Date.parse(floor));
    expect(await storedTicks(symbol)).toEqual({ count: kept.length, first: kept[0]?.observedAt });
    expect(await frozen(symbol, floor)).toEqual(before);

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
    const late = ticksOf(symbol, 50, { from: on(4, '00:00:00'), base: 2 });
    await feed.recordTicks('manual', late);
    await capture(sql);
    await sql.unsafe(`call feed.refresh_candles('-infinity', 'infinity', force => true)`);
    await sql`call feed.advance_candles()`;
    await sql`call ops.reconcile('-infinity', 'infinity')`;
    await sql`call feed.apply_storage()`;
    expect(await frozen(symbol, floor)).toEqual(before);
    const [found] = await sql`
      select coalesce(sum(different), 0)::int as different, sum(compared)::int > 100 as is_compared from ops.reconciliations`;
    expect(found).toEqual({ different: 0, is_compared: true });
    await expectRest(symbol, [...ticks, ...late], floor);
  });

  /** From a floor on, candles are what all ticks make. */
  async function expectRest(symbol: string, ticks: readonly Tick[], floor: string): Promise<void> {
    const [row] = await sql`
      select count(*)::int as count, sum(tick_count)::int as ticks from feed.candles(${symbol}, '1s', 'bid', ${floor}::text::timestamptz)`;
    expect(row?.ticks).toBe(
      ticks.filter(tick => Date.parse(tick.observedAt) >= Date.parse(floor)).length,
    );
  }

  it('goes on from the candles: a new timeframe, history for a subscriber, windows', async () => {
    const [old] = await sql<{ symbol: string }[]>`
      select symbol from feed.instruments where first_observed_at is not null limit 1`;
    const from = old?.symbol ?? '';
    await sql`select feed.add_timeframe('30s')`;
    await sql`call feed.advance_candles()`;
    const [sums] = await sql`
      select (select sum(tick_count)::int from feed.candles(${from}, '30s', 'bid')) as new,
        (select sum(tick_count)::int from feed.candles(${from}, '1s', 'bid')) as old`;
    expect(sums?.new).toBe(sums?.old);
    expect(sums?.new).toBeGreaterThan(1_000);
    const [first] = await sql`
      select feed.next_bucket(feed.instrument_id(${from}), '1m', '-infinity') =
          (select min(bucket) from feed.candles(${from}, '1m', 'bid')) as is_first,
        (select cardinality(w.buckets) from indicator.candle_window(
          feed.instrument_id(${from}), '1m', 'bid', '2026-03-06Z', '2026-03-07Z', 40, 0) as w) as bars`;
    expect(first?.is_first).toBe(true);
    expect(first?.bars).toBeGreaterThan(25);
    await sql`select feed.remove_timeframe('30s')`;
  });

  it('stops before ticks whose candles differ and cannot be repaired', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, on(4, '10:00:00'), { bid: 1 })]);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    // As if the repair had been for nothing.
    await sql.unsafe(`create or replace function ops.spoil() returns trigger language plpgsql as
      $$ begin new.unrepaired := 1; return new; end $$`);
    await sql`create trigger spoil before insert on ops.reconciliations for each row execute function ops.spoil()`;
    await keepFrom(5);
    const [before] = await sql`select floor_at from feed.storage where level = 'ticks'`;
    await expect(sql`call feed.apply_storage()`).rejects.toMatchObject({ code: 'RECON' });
    expect([...(await sql`select floor_at from feed.storage where level = 'ticks'`)]).toEqual([
      before,
    ]);
    expect(await storedTicks(symbol)).toMatchObject({ count: 1 });
    await sql`drop trigger spoil on ops.reconciliations`;
    await sql`drop function ops.spoil()`;
    await sql`delete from ops.reconciliations where unrepaired > 0`;
    await keepFrom(4);
  });

  it('drops candles of a timeframe too, and those above stay', async () => {
    const [old] = await sql<{ symbol: string }[]>`
      select symbol from feed.instruments where first_observed_at is not null limit 1`;
    const symbol = old?.symbol ?? '';
    const minutes = [...(await sql`select * from feed.candles(${symbol}, '1m', 'bid')`)];
    await keepFrom(4, ['ticks', '1s']);
    await sql`call feed.apply_storage()`;
    await sql.unsafe(`call feed.refresh_candles('-infinity', 'infinity', force => true)`);
    expect([...(await sql`select * from feed.candles(${symbol}, '1m', 'bid')`)]).toEqual(minutes);
    const [storage] = await sql`
      select (select floor_at from feed.storage where level = '1s') = (select dropped_to from feed.storage where level = 'ticks') as is_floor`;
    expect(storage).toEqual({ is_floor: true });
  });

  it('waits for ticks that are being inserted, for a while, and has them in the candles', async () => {
    await keepFrom(5);
    const [before] = await sql`
      select floor_at + interval '1 day' as next from feed.storage where level = 'ticks'`;
    await withSessions(sql, async (ingest, storing) => {
      await ingest.sql`begin`;
      const symbol = await addInstrument(sql);
      await ingest.sql`insert into feed.ticks (instrument_id, observed_at, bid)
        values (feed.instrument_id(${symbol}), ${on(4, '23:59:00')}::text::timestamptz, 1)`;
      // It waits for this one, for at most three seconds.
      const stored = storing.sql`call feed.apply_storage()`.then(
        () => 'stored',
        (error: { code?: string }) => error.code,
      );
      await untilBlocked(sql, storing);
      expect(await stored).toBe('55P03');
      await ingest.sql`commit`;
      await sql`call feed.apply_storage()`;
      expect([
        ...(await sql`select tick_count::int from feed.candles(${symbol}, '1d', 'bid')`),
      ]).toEqual([{ tick_count: 1 }]);
    });
    const [after] = await sql`select floor_at as next from feed.storage where level = 'ticks'`;
    expect(after).toEqual(before);
  });
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
                seq: sent.length + tick.seq,
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
              await sql`call feed.apply_storage()`;
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
              await sql`call feed.apply_storage()`;
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
