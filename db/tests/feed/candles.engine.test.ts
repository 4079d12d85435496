import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { subscribe } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';
import { MAX_SEQ } from '../../../workers/ingest/tick.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

/** Few distinct times, so that ticks tie, repeat and fall on both sides of bucket edges. */
const observedAt = fc
  .record({
    base: fc.constantFrom(
      Date.UTC(2026, 2, 29, 0, 59, 58),
      Date.UTC(2026, 2, 28, 23, 59, 59),
      Date.UTC(2026, 2, 29, 4, 0, 0),
      Date.UTC(2024, 1, 29, 12, 30, 0),
      Date.UTC(1999, 11, 31, 23, 59, 58),
    ),
    second: fc.integer({ min: 0, max: 3 }),
    microsecond: fc.constantFrom(0, 1, 500_000, 999_999),
  })
  .map(
    ({ base, second, microsecond }) =>
      `${new Date(base + second * 1_000).toISOString().slice(0, 19)}.${String(microsecond).padStart(6, '0')}Z`,
  );
const price = fc.double({ min: 0.000_1, max: 100_000, noNaN: true });
const tick = fc
  .record({
    observedAt,
    seq: fc.constantFrom<Tick['seq'][]>(0, 1, 2, 2 ** 43, 2n ** 53n + 1n, MAX_SEQ, null),
    bid: fc.option(price),
    ask: fc.option(price),
    last: fc.option(price),
    size: fc.option(fc.double({ min: 0, max: 1_000, noNaN: true })),
  })
  .filter(({ bid, ask, last }) => bid !== null || ask !== null || last !== null);
const sortKey = (each: Pick<Tick, 'observedAt' | 'seq'>): string =>
  `${each.observedAt} ${each.seq === null ? '' : String(each.seq).padStart(19, '0')}`;
/** Batches, and what happens after each. */
const history = fc.array(
  fc.record({
    ticks: fc.array(tick, { minLength: 1, maxLength: 12 }),
    repeat: fc.boolean(),
    after: fc.constantFrom('nothing', 'capture', 'advance'),
  }),
  { minLength: 1, maxLength: 6 },
);

describeOnEngine('feed.candles', ({ sql }) => {
  const feed = createFeed(sql);

  it('equals the aggregate of the ticks, whatever their order, batches and repetition', async () => {
    await fc.assert(
      fc.asyncProperty(history, async steps => {
        const symbol = await addInstrument(sql);
        const sent: Tick[] = [];
        for (const step of steps) {
          const ticks = step.ticks.map(each => ({ ...each, symbol }));
          await feed.recordTicks('manual', ticks);
          sent.push(...ticks);
          if (step.repeat) await feed.recordTicks('manual', ticks.toReversed());
          if (step.after === 'capture') await capture(sql);
          if (step.after === 'advance') await sql`call feed.advance_candles()`;
        }
        await capture(sql);
        await expectCandlesOf(sql, symbol, sent);
      }),
      { numRuns: 12 },
    );
  });

  it('equals the aggregate of a stream that comes in order but for a few late ticks', async () => {
    const stream = fc.array(fc.record({ tick, isLate: fc.boolean(), isEnd: fc.boolean() }), {
      minLength: 2,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(stream, async drawn => {
        const symbols = [await addInstrument(sql), await addInstrument(sql)];
        const inOrder = drawn
          .map((each, index) => ({ ...each, symbol: symbols[index % 2] ?? '' }))
          .sort((a, b) => sortKey(a.tick).localeCompare(sortKey(b.tick)));
        const batches: Tick[][] = [[]];
        const late: Tick[] = [];
        for (const { tick: each, symbol, isLate, isEnd } of inOrder) {
          const whole = { ...each, symbol };
          if (isLate && late.length < 3) late.push(whole);
          else batches.at(-1)?.push(whole);
          if (isEnd) batches.push(late.length === 3 ? late.splice(0) : []);
        }
        batches.push(late);
        for (const batch of batches) await feed.recordTicks('manual', batch);
        await capture(sql);
        for (const symbol of symbols) await expectCandlesOf(sql, symbol, batches.flat());
      }),
      { numRuns: 15 },
    );
  });

  it('counts each tick once when one statement inserts twice, and when a transaction goes on', async () => {
    const symbol = await addInstrument(sql);
    const quote = (second: number): Tick => ({
      symbol,
      observedAt: `2026-01-07T10:00:0${second}.500000Z`,
      seq: 0,
      bid: 1 + second,
      ask: 2 + second,
      last: null,
      size: 1,
    });
    const insert = (second: number) =>
      `insert into feed.ticks (instrument_id, observed_at, bid, ask, size)
       values (feed.instrument_id('${symbol}'), '${quote(second).observedAt}', ${1 + second}, ${2 + second}, 1)`;
    await withSessions(sql, async ({ sql: session }) => {
      await session`begin`;
      await session.unsafe(`with first as (${insert(2)} returning 1) ${insert(1)}`);
      await session.unsafe(insert(3));
      await session`savepoint before_four`;
      await session.unsafe(insert(4));
      await session`rollback to before_four`;
      await session.unsafe(insert(5));
      await session.unsafe(insert(0));
      await session`commit`;
    });
    await capture(sql);
    await expectCandlesOf(sql, symbol, [0, 1, 2, 3, 5].map(quote));
  });

  it('orders ticks of the same microsecond by seq', async () => {
    const symbol = await addInstrument(sql);
    const at = '2026-01-01T00:00:00.123456Z';
    // As numbers the second and the fourth are the same; as packed bits of 43 the third comes first.
    const ids = [2n ** 53n, 2n ** 53n + 1n, 2n ** 43n, 1n, 2n ** 63n - 1n, 2n ** 53n - 1n];
    const ticks = ids.map((seq, index) => ({
      symbol,
      observedAt: at,
      seq,
      bid: index + 1,
      ask: index + 2,
      last: null,
      size: null,
    }));
    const open = async () => {
      const [candle] = await sql`select open, close from feed.candles(${symbol}, '1s', 'bid')`;
      return candle;
    };
    await feed.recordTicks('manual', ticks.slice(0, 3));
    await capture(sql);
    expect(await open()).toEqual({ open: 3, close: 2 });
    await feed.recordTicks('manual', ticks.slice(3));
    await capture(sql);
    expect(await open()).toEqual({ open: 4, close: 5 });
    await expectCandlesOf(sql, symbol, ticks);
    const stored = await sql<{ seq: string }[]>`select seq::text from feed.ticks
      where instrument_id = feed.instrument_id(${symbol}) order by seq`;
    expect(stored.map(row => BigInt(row.seq))).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it('orders ticks of the same microsecond that have no id as they came, before those with one', async () => {
    const symbol = await addInstrument(sql);
    const quote = (bid: number, seq: number | null = null): Tick => ({
      symbol,
      observedAt: '2026-01-01T00:00:00.123456Z',
      seq,
      bid,
      ask: null,
      last: null,
      size: null,
    });
    await feed.recordTicks('manual', [quote(5), quote(9, 0), quote(3)]);
    await feed.recordTicks('manual', [quote(4), quote(5), quote(6)]);
    await capture(sql);
    await expectCandlesOf(sql, symbol, [quote(5), quote(3), quote(4), quote(6), quote(9, 0)]);
  });

  it('counts in every timeframe the ticks that are reconstructed, late ones too', async () => {
    const symbol = await addInstrument(sql);
    const quote = (second: string, bid: number) =>
      tickOf(symbol, `2026-01-05T10:00:${second}Z`, { bid, ask: bid + 1 });
    const counted = async (expected: object) => {
      await capture(sql);
      const timeframes = await sql<{ timeframe: string }[]>`
        select timeframe from feed.timeframes where timeframe <> '1s'`;
      for (const { timeframe } of timeframes) {
        const stored =
          await sql`select tick_count::int as ticks, reconstructed_count::int as reconstructed
          from feed.candles(${symbol}, ${timeframe}, 'bid')`;
        expect(stored, timeframe).toEqual([expected]);
      }
    };
    await feed.recordTicks('manual', [quote('01', 1), quote('59', 2)]);
    await counted({ ticks: 2, reconstructed: 0 });
    await sql`call feed.advance_candles()`;
    const late = [quote('30', 3), quote('30.5', 4), quote('59', 2)];
    await feed.recordTicks('manual', late, undefined, 'reconstructed');
    await counted({ ticks: 4, reconstructed: 2 });
    await feed.recordTicks('manual', [quote('31', 5)], undefined, 'fetched');
    await counted({ ticks: 5, reconstructed: 2 });
    // Heard a second time it is what it was.
    expect(await feed.recordTicks('manual', late)).toMatchObject({ stored: 0, duplicate: 3 });
    await counted({ ticks: 5, reconstructed: 2 });
    const seconds = await sql`select filled, reconstructed_count::int as reconstructed
      from feed.filled_candles(${symbol}, '1s', 'mid', '2026-01-05T10:00:29Z', '2026-01-05T10:00:32Z')`;
    expect(seconds).toEqual([
      { filled: 'gap', reconstructed: 0 },
      { filled: null, reconstructed: 2 },
      { filled: null, reconstructed: 0 },
    ]);
    const origins = await sql`select t.origin, count(*)::int from feed.ticks as t
      where t.instrument_id = feed.instrument_id(${symbol}) group by 1 order by 1`;
    expect(origins).toEqual([
      { origin: 'heard', count: 2 },
      { origin: 'fetched', count: 1 },
      { origin: 'reconstructed', count: 2 },
    ]);
    const [{ told }] = await sql<[{ told: { origin: string }[] }]>`
      select dashboard.ticks(${symbol}, '2026-01-05T10:00:00Z', '2026-01-05T10:00:31Z') as told`;
    expect(told.map(tick => tick.origin)).toEqual(['heard', 'reconstructed', 'reconstructed']);
  });

  it('shows a late tick in every timeframe after a capture, also below the watermark', async () => {
    const symbol = await addInstrument(sql);
    const at = (second: string) => `2026-01-05T10:00:${second}Z`;
    const quote = (observed: string, bid: number): Tick => ({
      symbol,
      observedAt: observed,
      seq: 0,
      bid,
      ask: bid + 1,
      last: null,
      size: null,
    });
    const early = [quote(at('01'), 1), quote(at('59'), 2)];
    await feed.recordTicks('manual', early);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    const late = quote(at('30.5'), 9);
    await feed.recordTicks('manual', [late]);
    await capture(sql);
    await expectCandlesOf(sql, symbol, [...early, late]);
  });

  it('covers a plain INSERT of many ticks too', async () => {
    const symbol = await addInstrument(sql);
    await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
      select feed.instrument_id(${symbol}), timestamptz '2026-02-01 00:00Z' + n * interval '0.7 s', 1 + n, 2 + n
      from generate_series(0, 999) as n`;
    await capture(sql);
    const ticks = Array.from({ length: 1_000 }, (_, n): Tick => {
      const micros = Date.UTC(2026, 1, 1) * 1_000 + n * 700_000;
      return {
        symbol,
        observedAt: `${new Date(Math.floor(micros / 1_000)).toISOString().slice(0, 23)}000Z`,
        seq: 0,
        bid: 1 + n,
        ask: 2 + n,
        last: null,
        size: null,
      };
    });
    await expectCandlesOf(sql, symbol, ticks);
  });

  it('has no hole where candles are stored while a statement that began before reads them', async () => {
    const symbol = await addInstrument(sql);
    const seconds = 30;
    await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
      select feed.instrument_id(${symbol}), date_trunc('second', now()) - interval '1 minute' + n * interval '1 s', 1, 2
      from generate_series(0, ${seconds - 1}::int) as n`;
    // The gate is passed after the statement's snapshot was taken; what is behind it reads afterwards.
    const reads = [
      `select count(*)::int as count
       from (select pg_advisory_lock(7), '-infinity'::timestamptz as from_time offset 0) as gate
       cross join lateral feed.candles('${symbol}', '1s', 'mid', gate.from_time)`,
      `select cardinality(w.buckets) as count
       from (select pg_advisory_lock(7), now() - interval '10 minutes' as from_time offset 0) as gate
       cross join lateral indicator.candle_window(
         feed.instrument_id('${symbol}'), '1s', 'mid', gate.from_time, now(), 0, 0) as w`,
      `select cardinality(w.buckets) as count
       from (select pg_advisory_lock(7), now() - interval '10 minutes' as from_time offset 0) as gate
       cross join lateral indicator.candle_windows(
         array[feed.instrument_id('${symbol}')], array['1s'], array['mid'],
         array[gate.from_time], array[now()], array[0], array[0]) as w`,
      `select count(*)::int as count
       from (select pg_advisory_lock(7), now() - interval '10 minutes' as from_time offset 0) as gate
       cross join lateral dashboard.recent_candles(
         feed.instrument_id('${symbol}'), '1s', 'mid', gate.from_time, now(), 1000)`,
    ];
    for (const [index, read] of reads.entries()) {
      await withSessions(sql, async (reader, keeper) => {
        await keeper.sql`select pg_advisory_lock(7)`;
        const counted = reader.sql.unsafe<{ count: number }[]>(read).execute();
        await untilBlocked(sql, reader);
        // Each run stores a part: the first half minute's ticks are older than the longest lag.
        await sql`call feed.advance_candles(${`${55 - index * 6} seconds`}::interval)`;
        await keeper.sql`select pg_advisory_unlock_all()`;
        expect(await counted, read).toEqual([{ count: seconds }]);
        await reader.sql`select pg_advisory_unlock_all()`;
      });
    }
  });

  it('and messages and the page tell what is computed without noise, and a sent price as it was sent', async () => {
    const symbol = await addInstrument(sql);
    const outbox = createOutbox(sql);
    const names = await Promise.all(
      ['mid', 'last'].map(side => subscribe(sql, symbol, { side, timeframe: '1s' })),
    );
    const sent = 1.234_567_890_123_456_7;
    const noisy = (1.174_02 + 1.174_03) / 2;
    expect([noisy, Number(sent.toPrecision(15)) === sent]).toEqual([
      1.174_024_999_999_999_9,
      false,
    ]);
    await feed.recordTicks('manual', [
      tickOf(symbol, at('10:00:00'), { bid: 1.174_02, ask: 1.174_03, last: sent, size: 0.1 }),
      tickOf(symbol, at('10:00:00.1'), { bid: 1.174_02, ask: 1.174_03, seq: 1, size: 0.2 }),
    ]);
    await capture(sql);
    expect(0.1 + 0.2).not.toBe(0.3);

    const prices = { open: 1.174_025, high: 1.174_025, low: 1.174_025, close: 1.174_025 };
    const mid = { ...prices, average: 1.174_025, sum: 2.348_05, volume: 0.3 };
    const last = { open: sent, high: sent, low: sent, close: sent, volume: 0.3 };
    expect(await sql`select * from feed.candles(${symbol}, '1s', 'mid')`).toMatchObject([mid]);
    expect(await sql`select * from feed.candles(${symbol}, '1s', 'last')`).toMatchObject([last]);
    const from = at('10:00:00');
    const to = at('10:00:02');
    expect(
      await sql`select * from feed.filled_candles(${symbol}, '1s', 'mid', ${from}, ${to})`,
    ).toMatchObject([mid, prices]);
    // Nothing is filled but what was there before.
    expect(
      await sql`select * from feed.filled_candles(${symbol}, '1s', 'mid', ${at('10:00:01')}, ${to})`,
    ).toMatchObject([prices]);
    expect(await sql`select * from feed.fx_days(${symbol}, 'mid', ${from}, ${to})`).toMatchObject([
      mid,
    ]);
    expect(await sql`select dashboard.candles(${symbol}, '1s', 'mid') as told`).toMatchObject([
      { told: [mid] },
    ]);
    const deliveries = await outbox.claimDeliveries(10_000);
    expect(names.map(name => deliveries.filter(each => each.subscription === name))).toMatchObject([
      [mid],
      [last],
    ]);

    await feed.recordTicks('manual', [
      tickOf(symbol, at('10:00:03'), { bid: 1.174_02, ask: 1.174_03 }),
    ]);
    const [row] = await sql<{ told: { symbol: string }[] }[]>`
      select dashboard.watchlist() as told`;
    expect(row?.told.find(each => each.symbol === symbol)).toMatchObject({
      mid: 1.174_025,
      price: 1.174_025,
    });
  });

  it('names what is wrong with a question', async () => {
    const symbol = await addInstrument(sql);
    await expect(sql`select feed.candles('NOPE', '1m')`).rejects.toMatchObject({ code: 'NOINS' });
    await expect(sql`select feed.candles(${symbol}, '7m')`).rejects.toMatchObject({
      code: 'NOTFR',
    });
    await expect(sql`select feed.candles(${symbol}, '1m', 'offer')`).rejects.toMatchObject({
      code: 'NOSID',
    });
  });
});
