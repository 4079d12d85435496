import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import {
  addIndicator,
  catchUp,
  registerCatalog,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { capturedOf, captureOnce, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

/** Two days with holes, several ticks a second, some of equal time, a trade now and then. */
function history(symbol: string): Tick[] {
  return Array.from({ length: 1_500 }, (_, n) => {
    const second = Math.floor(n / 3) * (n < 900 ? 7 : 311);
    return tickOf(symbol, secondsAfter(second), {
      seq: n % 3,
      bid: 100 + ((n * 37) % 101),
      ...(n % 5 === 0 ? {} : { ask: 103 + ((n * 53) % 89) }),
      ...(n % 11 === 0 ? { last: 101, size: n % 7 } : {}),
    });
  });
}

async function timeframesOf(sql: Parameters<typeof capture>[0]): Promise<string[]> {
  const rows = await sql<
    { timeframe: string }[]
  >`select timeframe from feed.timeframes order by width`;
  return rows.map(row => row.timeframe);
}

describeOnEngine('feed.add_timeframe', ({ sql, as }) => {
  const feed = createFeed(sql);

  it('has the candles of all history at once, and they stay equal to the ticks', async () => {
    const symbol = await addInstrument(sql);
    const ticks = history(symbol);
    await feed.recordTicks('manual', ticks);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    for (const [timeframe, finer] of [
      ['30s', '1s'],
      ['10m', '5m'],
      ['2h', '1h'],
      ['12h', '4h'],
      ['90s', '30s'],
      ['6h', '2h'],
    ]) {
      const [row] = await sql`select feed.add_timeframe(${timeframe ?? ''}) as built_from`;
      expect(row?.built_from).toBe(finer);
    }
    await expectCandlesOf(sql, symbol, ticks);

    const late = tickOf(symbol, secondsAfter(45), { bid: 9 });
    const next = tickOf(symbol, secondsAfter(500_000), { bid: 8 });
    await feed.recordTicks('manual', [late, next]);
    await capture(sql);
    await expectCandlesOf(sql, symbol, [...ticks, late, next]);
    await sql`call feed.advance_candles()`;
    await expectCandlesOf(sql, symbol, [...ticks, late, next]);
    await sql`call feed.refresh_candles(${secondsAfter(0)}, ${secondsAfter(90_000)}, force => true)`;
    await expectCandlesOf(sql, symbol, [...ticks, late, next]);
  });

  it('loses nothing of writers that are at work meanwhile', async () => {
    const symbol = await addInstrument(sql);
    const ticks = history(symbol);
    let isAdding = true;
    const stored: Tick[] = [];
    const writing = [0, 1].map(async writer => {
      const own = createFeed(as('foresight_ingest'));
      for (let start = writer * 10; start < ticks.length; start += 20) {
        const batch = ticks.slice(start, start + 10);
        await own.recordTicks('manual', batch);
        stored.push(...batch);
        if (!isAdding && stored.length > 400) return;
      }
    });
    for (const timeframe of ['15s', '20m', '3h'])
      await sql`select feed.add_timeframe(${timeframe})`;
    isAdding = false;
    await Promise.all(writing);
    await capture(sql);
    await expectCandlesOf(sql, symbol, stored);
  });

  it('is published and computed like any other', async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    await sql`select feed.add_timeframe('2m')`;
    const one = await subscribe(sql, symbol, { timeframe: '2m' });
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '2m' });
    await feed.recordTicks(
      'manual',
      [0, 60, 120, 240].map((second, n) => tickOf(symbol, secondsAfter(second), { bid: 1 + n })),
    );
    await capture(sql);
    expect(await waitingFor(sql, one)).toHaveLength(3);
    const captured = (await capturedOf(sql, symbol)).filter(each => each.timeframe === '2m');
    expect(captured.map(each => [each.close, each.tick_count])).toEqual([
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
    await catchUp(sql);
    expect((await valuesOf(sql, id)).map(each => each.outputs?.[0] ?? null)).toEqual([
      null,
      0.5,
      0.5,
    ]);
  });

  it('does nothing when the timeframe is there already', async () => {
    const before = await timeframesOf(sql);
    expect(await sql`select feed.add_timeframe('5m') as built_from`).toMatchObject([
      { built_from: '1m' },
    ]);
    expect(await timeframesOf(sql)).toEqual(before);
  });

  it.each([
    ['7s', /must divide a day/],
    ['5h', /must divide a day/],
    ['2d', /must divide a day/],
    ['60s', /as long as 1m/],
    ['24h', /as long as 1d/],
    ['1w', /is no timeframe/],
    ['0s', /is no timeframe/],
    ['', /is no timeframe/],
    ["1m'; drop table feed.ticks; --", /is no timeframe/],
    [null, /null is no timeframe/],
  ])('refuses %s', async (timeframe, message) => {
    const refusal = sql`select feed.add_timeframe(${timeframe})`;
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: 'BADTF' });
  });

  it('is for the owner, not for the processes', async () => {
    await expect(as('foresight_publish')`select feed.add_timeframe('8h')`).rejects.toThrow(
      /permission denied/,
    );
  });
});

describeOnEngine('feed.remove_timeframe', ({ sql }) => {
  it('drops the candles and what was captured of them, and ticks come in as before', async () => {
    const symbol = await addInstrument(sql);
    await sql`select feed.add_timeframe('30m')`;
    const name = await subscribe(sql, symbol, { timeframe: '30m' });
    const first = tickOf(symbol, secondsAfter(0), { bid: 1 });
    await createFeed(sql).recordTicks('manual', [first]);
    await capture(sql);
    await expect(sql`select feed.remove_timeframe('30m')`).rejects.toMatchObject({
      code: 'TFUSE',
      message: expect.stringContaining(`the subscription ${name}`),
    });
    await sql`select outbox.unsubscribe(${name})`;
    await sql`select feed.remove_timeframe('30m')`;
    expect(await timeframesOf(sql)).not.toContain('30m');
    expect(await capturedOf(sql, symbol)).toEqual([]);
    const second = tickOf(symbol, secondsAfter(1), { bid: 2 });
    await createFeed(sql).recordTicks('manual', [second]);
    expect(await captureOnce(sql)).toEqual({ change_count: 1, delta_count: 0 });
    await expectCandlesOf(sql, symbol, [first, second]);
    await sql`select feed.add_timeframe('30m')`;
    await expectCandlesOf(sql, symbol, [first, second]);
  });

  it('names what needs the candles', async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    await sql`select feed.add_timeframe('45s')`;
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '45s' });
    const refusal = (timeframe: string) => sql`select feed.remove_timeframe(${timeframe})`;
    await expect(refusal('1s')).rejects.toThrow(/the ticks, the timeframe 1m, the timeframe 45s/);
    await expect(refusal('1h')).rejects.toThrow(/the timeframe 4h/);
    await expect(refusal('45s')).rejects.toThrow(new RegExp(`the indicator ${id}`));
    await expect(refusal('9m')).rejects.toMatchObject({ code: 'NOTFR' });
  });
});

describeOnEngine('feed.remove_timeframe while candles are refreshed', ({ sql }) => {
  it('succeeds', async () => {
    const symbol = await addInstrument(sql);
    // Enough that a refresh takes as long as adding and removing.
    await sql`insert into feed.ticks (instrument_id, observed_at, bid)
      select feed.instrument_id(${symbol}), t, 1
      from generate_series(timestamptz '2026-03-02 10:00Z', '2026-03-02 20:00Z', '2 seconds') as t`;
    await capture(sql);
    await sql`call feed.advance_candles()`;
    let isOver = false;
    let refreshes = 0;
    // Who refreshes may fail, and tries again as a publisher does.
    const refresh = async (call: string): Promise<void> => {
      for (; !isOver; refreshes++) await sql.unsafe(call).catch(() => undefined);
    };
    const refreshing = [
      refresh('call feed.advance_candles()'),
      refresh(`call feed.refresh_candles('2026-03-02 12:00Z', '2026-03-02 15:00Z', true)`),
    ];
    try {
      for (let round = 0; round < 30; round++) {
        await sql`select feed.add_timeframe('20s')`;
        await sql`select feed.remove_timeframe('20s')`;
      }
    } finally {
      isOver = true;
      await Promise.all(refreshing);
    }
    expect(refreshes).toBeGreaterThan(2);
  });
});

describeOnEngine('feed.add_timeframe while late ticks are refreshed', ({ sql, engine }) => {
  it('has them, too, though its candles were stored from finer ones that had not', async () => {
    const symbol = await addInstrument(sql);
    const feed = createFeed(sql);
    const ticks = Array.from({ length: 300 }, (_, n) =>
      tickOf(symbol, secondsAfter(n), { bid: 1 }),
    );
    await feed.recordTicks('manual', ticks);
    await capture(sql);
    await sql`call feed.advance_candles()`;
    const late = tickOf(symbol, secondsAfter(100.5), { bid: 2 });
    await feed.recordTicks('manual', [late]);
    await withSessions(sql, async (holding, refreshing) => {
      if (engine === 'timescaledb') {
        const [stored] = await sql<{ name: string }[]>`
          select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
          from timescaledb_information.continuous_aggregates where view_name = 'stored_candles_1s'`;
        await holding.sql`begin`;
        // Reading goes on, a refresh of the seconds waits.
        await holding.sql.unsafe(`lock table ${stored?.name} in share mode`);
      }
      const refresh = refreshing.sql`call outbox.refresh_late()`;
      refresh.catch(() => undefined);
      if (engine === 'timescaledb') await untilBlocked(sql, refreshing);
      await sql`select feed.add_timeframe('20s')`;
      if (engine === 'timescaledb') {
        await sql`call public.refresh_continuous_aggregate('feed.stored_candles_20s', null, '2026-03-03Z')`;
        await holding.sql`rollback`;
      }
      await refresh;
    });
    await expectCandlesOf(sql, symbol, [...ticks, late]);
  });
});
