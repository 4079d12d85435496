import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  publish,
  registerCatalog,
} from '../../../tests/support/indicators.ts';
import { quoteOfAge } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

/** Of a basis and horizon: candles, ups, downs, bullish, bearish, hits. */
type Counts = readonly [number, number, number, number, number, number];

const horizons = [1, 5, 20];

describeOnEngine('The track record', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  const record = (symbol: string, minute: number, bid: number, seq = 0) =>
    feed.recordTicks('manual', [tickOf(symbol, secondsAfter(minute * 60), { seq, bid })]);

  /** Of the cross of 1 and 2 bars: the verdict is the direction of the candle's change. */
  async function added(): Promise<{ symbol: string; id: number }> {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    return { symbol, id };
  }

  /** As though each verdict had been stored when its candle closed, or so much later. */
  async function sayInTime(id: number, later = '0 s'): Promise<void> {
    await sql.begin(async own => {
      await own`set local session_replication_role = replica`;
      await own`
        update indicator.verdicts as v set said_at = v.bucket + interval '1 minute' + f.grace + ${later}::interval
        from indicator.definitions as d
        join feed.instruments as i using (instrument_id)
        join feed.sources as f using (source)
        where d.indicator_id = v.indicator_id and v.indicator_id = ${id}`;
    });
  }

  /** All that waits, however young. */
  async function score(): Promise<void> {
    await sql`update indicator.unscored set noted_at = '-infinity'`;
    for (;;) {
      const [row] = await sql<[{ stretches: number }]>`select track.score() as stretches`;
      if (row.stretches === 0) return;
    }
  }

  async function countsOf(id: number): Promise<Record<string, Counts>> {
    const rows = await sql<{ basis: string; counts: Counts }[]>`
      select case when as_said then 'said ' else 'final ' end || horizon as basis,
        array[candles, ups, downs, bullish, bearish, hits] as counts
      from track.scores where indicator_id = ${id} order by as_said desc, horizon`;
    return Object.fromEntries(rows.map(({ basis, counts }) => [basis, counts]));
  }

  /** Everything that is kept of it. */
  async function keptOf(id: number): Promise<unknown[]> {
    return [
      ...(await sql`
        select b.* from track.blocks as b where indicator_id = ${id} and candles > 0
        order by as_said, horizon, level, block`),
      ...(await sql`select s.* from track.scores as s where indicator_id = ${id} order by as_said, horizon`),
    ];
  }

  /** The plainest computation over what is stored. */
  async function expectedOf(id: number, symbol: string): Promise<Record<string, Counts>> {
    const candles = await sql<{ bucket: string; close: number; seconds: number }[]>`
      select bucket::text, close, extract(epoch from bucket)::float8 as seconds from feed.candles(${symbol}, '1m', 'bid') where is_closed order by bucket`;
    const place = new Map(candles.map(({ bucket }, index) => [bucket, index]));
    const verdicts = {
      said: await sql<{ bucket: string; verdict: number; price: number; saidAt: number | null }[]>`
        select distinct on (bucket) bucket::text, verdict, price, extract(epoch from said_at)::float8 as "saidAt" from indicator.verdicts
        where indicator_id = ${id} order by bucket, revision`,
      final: await sql<{ bucket: string; verdict: number; price: null; saidAt: null }[]>`
        select bucket::text, verdict, null as price, null as "saidAt" from indicator.values
        where indicator_id = ${id} and verdict is not null`,
    };
    const [{ grace }] = await sql<[{ grace: number }]>`
      select extract(epoch from grace)::float8 as grace from feed.sources where source = 'manual'`;
    const expected: Record<string, Counts> = {};
    for (const [basis, rows] of Object.entries(verdicts)) {
      for (const horizon of horizons) {
        const counts: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
        for (const { bucket, verdict, price, saidAt } of rows) {
          const index = place.get(bucket) ?? Number.NaN;
          const after = candles[index + horizon];
          if (after === undefined) continue;
          if (saidAt !== null && saidAt >= after.seconds + 60 + grace) continue;
          const move = Math.sign(after.close - (price ?? candles[index]?.close ?? Number.NaN));
          const isHit = verdict !== 0 && verdict === move;
          for (const [at, counted] of [
            true,
            move > 0,
            move < 0,
            verdict > 0,
            verdict < 0,
            isHit,
          ].entries())
            if (counted) counts[at] = (counts[at] ?? 0) + 1;
        }
        if (counts[0] > 0) expected[`${basis} ${horizon}`] = counts;
      }
    }
    return expected;
  }

  describe('counts', () => {
    it('what the price did after each verdict, so many candles later', async () => {
      const { symbol, id } = await added();
      // From the second on: up, down, up, the same, up, down, up.
      for (const [minute, bid] of [10, 12, 11, 13, 13, 15, 14, 16].entries())
        await record(symbol, minute, bid);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      const counts: Record<string, Counts> = {
        'said 1': [6, 3, 2, 3, 2, 0],
        'said 5': [2, 2, 0, 1, 1, 1],
        'final 1': [6, 3, 2, 3, 2, 0],
        'final 5': [2, 2, 0, 1, 1, 1],
      };
      expect(await countsOf(id)).toEqual(counts);
      const rows = await sql`select * from track.record_of(${id})`;
      expect(rows).toHaveLength(6);
      expect(rows[0]).toEqual({
        as_said: true,
        horizon: 1,
        candles: 6,
        verdicts: 5,
        neutral: 1,
        hit_rate: 0,
        // Three of the bets were on half of the candles, two on a third.
        base_rate: (3 * 3 + 2 * 2) / (6 * 5),
        edge_low: null,
        edge_high: null,
        p_value: null,
        adjusted_p_value: null,
        compared: 0,
        words: 'too few verdicts yet, 5 of 100',
      });
      expect(rows[2]).toMatchObject({
        as_said: true,
        horizon: 20,
        candles: 0,
        hit_rate: null,
        words: 'too few verdicts yet, 0 of 100',
      });
      const all = await sql`select * from track.record(${symbol}, '1m')`;
      expect(all).toHaveLength(4);
      expect(all[0]).toMatchObject({
        symbol,
        timeframe: '1m',
        indicator_id: id,
        as_said: true,
        horizon: 1,
        verdicts: 5,
      });
    });

    it('what was said then, from the price seen then, whatever a late tick says of it now', async () => {
      const { symbol, id } = await added();
      for (const [minute, bid] of [10, 12, 11, 13, 13, 15, 14, 16].entries())
        await record(symbol, minute, bid);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      // The third candle closes at 14 instead of 11: up, up, down, the same, up, down, up.
      await record(symbol, 2, 14, 1);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      expect(await countsOf(id)).toEqual({
        // 12 to 14, 11 to 13, then as before.
        'said 1': [6, 4, 1, 3, 2, 1],
        'said 5': [2, 2, 0, 1, 1, 1],
        'final 1': [6, 3, 2, 3, 2, 1],
        'final 5': [2, 2, 0, 2, 0, 2],
      });
      expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
    });

    it('nothing that was said when its outcome was known: of a replayed file, or after an outage', async () => {
      const { symbol, id } = await added();
      for (const [minute, bid] of [10, 12, 11, 13, 13, 15, 14, 16].entries())
        await record(symbol, minute, bid);
      await catchUp(sql);
      await score();
      const final = { 'final 1': [6, 3, 2, 3, 2, 0], 'final 5': [2, 2, 0, 1, 1, 1] };
      expect(await countsOf(id)).toEqual(final);
      await sayInTime(id, '1 minute');
      await sql`select track.recount(${id})`;
      await score();
      // The next candle had closed, the fifth had not.
      expect(await countsOf(id)).toEqual({ ...final, 'said 5': [2, 2, 0, 1, 1, 1] });
      await sayInTime(id, '59 s');
      await sql`select track.recount(${id})`;
      await score();
      expect(await countsOf(id)).toMatchObject({ ...final, 'said 1': [6, 3, 2, 3, 2, 0] });
    });

    it('candles that exist: the next one after a pause is the next, also when one comes late in between', async () => {
      const { symbol, id } = await added();
      for (const [minute, bid] of [
        [0, 10],
        [1, 12],
        [3000, 11],
        [3001, 13],
      ] as const)
        await record(symbol, minute, bid);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      expect(await countsOf(id)).toMatchObject({ 'final 1': [2, 1, 1, 1, 1, 0] });
      await record(symbol, 1500, 14);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      expect(await countsOf(id)).toMatchObject({
        'said 1': [3, 2, 1, 2, 1, 1],
        'final 1': [3, 2, 1, 2, 1, 1],
      });
      expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
    });

    it('no candle that still forms', async () => {
      const { symbol, id } = await added();
      await sql`update feed.sources set grace = '1 hour' where source = 'manual'`;
      for (const [minutes, bid] of [
        [63, 10],
        [62, 12],
        [3, 15],
      ] as const) {
        await feed.recordTicks('manual', [
          await quoteOfAge(sql, symbol, `${minutes} minutes`, bid),
        ]);
        await catchUp(sql);
      }
      await score();
      expect(await countsOf(id)).toEqual({});
      await sql`update feed.sources set grace = '1 second' where source = 'manual'`;
      await sql`update outbox.candles set closes_at = now() where not is_closed`;
      await sql`select outbox.close_candles()`;
      await catchUp(sql);
      await sayInTime(id);
      await score();
      const counts = await countsOf(id);
      expect(counts).toEqual({ 'said 1': [1, 1, 0, 1, 0, 1], 'final 1': [1, 1, 0, 1, 0, 1] });
      expect(counts).toEqual(await expectedOf(id, symbol));
    });

    it('history as final values only: nothing was said of it', async () => {
      const symbol = await addInstrument(sql);
      for (const [minute, bid] of [10, 12, 11, 13].entries()) await record(symbol, minute, bid);
      await publish(sql);
      const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
      await computeAll(sql);
      await score();
      expect(await countsOf(id)).toEqual({ 'final 1': [2, 1, 1, 1, 1, 0] });
    });

    it('nothing while an indicator warms up, and says that of one that is not there', async () => {
      const symbol = await addInstrument(sql);
      const id = await addIndicator(sql, symbol, { fast: 1, slow: 50 });
      for (const minute of [0, 1, 2]) await record(symbol, minute, 10 + minute);
      await catchUp(sql);
      await sayInTime(id);
      await score();
      expect(await countsOf(id)).toEqual({});
      const rows = await sql`select * from track.record_of(${id})`;
      expect(rows.map(row => [row.as_said, row.horizon, row.candles, row.words])).toEqual(
        [true, false].flatMap(said =>
          horizons.map(horizon => [said, horizon, 0, 'too few verdicts yet, 0 of 100']),
        ),
      );
      const [page] = await sql<[{ record: { sentence: string; rows: object[] } }]>`
        select dashboard.track_record(${id}) as record`;
      expect(page.record.sentence).toBe('Nothing can be told: too few verdicts yet, 0 of 100');
      expect(page.record.rows).toHaveLength(6);
      expect([...(await sql`select dashboard.track_record(0) as record`)]).toEqual([
        { record: null },
      ]);
      await expect(sql`select track.record_of(0)`).rejects.toMatchObject({ code: 'NOIND' });
      await expect(sql`select track.recount(0)`).rejects.toMatchObject({ code: 'NOIND' });
      await expect(sql`select track.record('NOBODY')`).rejects.toMatchObject({ code: 'NOINS' });
      await expect(sql`select track.record(null, '7m')`).rejects.toMatchObject({ code: 'NOTFR' });
    });
  });

  it('is the same whether it is kept step by step or counted anew, whatever comes late', async () => {
    const tick = fc.tuple(
      // Three stretches with pauses between them, each of a few blocks.
      fc
        .tuple(fc.constantFrom(0, 500, 6000), fc.integer({ min: 0, max: 60 }))
        .map(([start, minute]) => start + minute),
      fc.integer({ min: 10, max: 14 }),
    );
    const steps = fc.array(fc.array(tick, { minLength: 1, maxLength: 40 }), {
      minLength: 2,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom('0 s', '150 s'), async (batches, later) => {
        const { symbol, id } = await added();
        for (const [seq, batch] of batches.entries()) {
          await feed.recordTicks(
            'manual',
            batch.map(([minute, bid], place) =>
              tickOf(symbol, secondsAfter(minute * 60), { seq: 100 * seq + place, bid }),
            ),
          );
          await catchUp(sql);
          await sayInTime(id, later);
          if (seq % 2 === 0) await score();
        }
        await score();
        expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
        const kept = await keptOf(id);
        await sql`delete from track.blocks where indicator_id = ${id}`;
        await sql`delete from track.scores where indicator_id = ${id}`;
        await sql`select track.recount(${id})`;
        await score();
        expect(await keptOf(id)).toEqual(kept);
      }),
      { numRuns: 8, seed: 20_260_301 },
    );
  });

  it('is due at once for history, and else when something has waited for ten minutes', async () => {
    const { symbol, id } = await added();
    await score();
    const due = async () => (await sql`select track.due_indicator() as id`)[0]?.id;
    const waits = (age: string) =>
      sql`update indicator.unscored set noted_at = now() - ${age}::interval`;
    expect(await due()).toBeNull();
    for (const minute of [0, 1, 2, 3]) await record(symbol, minute, 10 + minute);
    await catchUp(sql);
    expect(await due()).toBeNull();
    expect([...(await sql`select track.score() as rows`)]).toEqual([{ rows: 0 }]);
    await waits('9 minutes 50 seconds');
    expect(await due()).toBeNull();
    await waits('10 minutes 1 second');
    expect(await due()).toBe(id);
    // The clock went back.
    await waits('-1 hour');
    expect(await due()).toBe(id);
    expect([...(await sql`select track.score() as rows`)]).not.toEqual([{ rows: 0 }]);
    expect(await due()).toBeNull();
    expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
    const ticks = Array.from({ length: 30 }, (_, minute) =>
      tickOf(symbol, secondsAfter((5 + minute) * 60), { bid: 10 + (minute % 3) }),
    );
    await feed.recordTicks('manual', ticks);
    await publish(sql);
    const other = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    await computeAll(sql);
    expect(await due()).toBe(other);
    await record(symbol, 40, 12);
    await catchUp(sql);
    await sql`delete from indicator.unscored where indicator_id = ${other} and candles < 16`;
    expect(await due()).toBe(other);
    // With the one on the same candles, which would have waited.
    for (;;) if ((await sql`select track.score() as rows`)[0]?.rows === 0) break;
    expect([...(await sql`select from indicator.unscored`)]).toEqual([]);
  });

  it('takes so much at a time', async () => {
    const { symbol, id } = await added();
    await score();
    const ticks = Array.from({ length: 3_000 }, (_, minute) =>
      tickOf(symbol, secondsAfter(minute * 60), { bid: 10 + (minute % 3) }),
    );
    await feed.recordTicks('manual', ticks);
    await publish(sql);
    await sql`select indicator.recompute(${id})`;
    await computeAll(sql);
    const waiting = async () =>
      (
        await sql`select count(*)::int as rows, sum(candles)::int as candles from indicator.unscored`
      )[0];
    expect(await waiting()).toMatchObject({ candles: 3_000 });
    await sql`select track.score(500)`;
    expect((await waiting())?.rows).toBeGreaterThan(0);
    expect(await countsOf(id)).toEqual({});
    while ((await waiting())?.rows > 0) {
      const before = (await waiting())?.rows;
      await sql`select track.score(500)`;
      expect((await waiting())?.rows).toBeLessThan(before);
    }
    expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
  });

  it('adds up at every level', async () => {
    const { symbol, id } = await added();
    const ticks = Array.from({ length: 400 }, (_, minute) =>
      tickOf(symbol, secondsAfter(minute * 60), { bid: 10 + ((minute * 7919) % 13) }),
    );
    await feed.recordTicks('manual', ticks);
    await catchUp(sql);
    await sayInTime(id);
    await score();
    expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
    const rows = await sql<{ level: number; blocks: number; sums: number[] }[]>`
      select level, count(*)::int as blocks, array[sum(candles), sum(ups), sum(downs), sum(bullish), sum(bearish),
        sum(bullish_hits), sum(bearish_hits)]::int[] as sums
      from track.blocks where indicator_id = ${id} and horizon = 5 and as_said group by level order by level`;
    expect(rows.map(row => row.level)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const row of rows) expect(row.sums).toEqual(rows[0]?.sums);
    expect(rows[0]?.blocks).toBe(26);
    expect(rows[1]?.blocks).toBeLessThanOrEqual(8);
  });

  it('is right with two who score at once, and values stored meanwhile', async () => {
    const { symbol, id } = await added();
    for (const minute of [0, 1, 2, 3]) await record(symbol, minute, 10 + (minute % 2));
    await catchUp(sql);
    await sql`update indicator.unscored set noted_at = '-infinity'`;
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      expect(await first.sql`select track.score() as n`).not.toEqual([{ n: 0 }]);
      expect([...(await second.sql`select track.score() as n`)]).toEqual([{ n: 0 }]);
      // Values can be stored while somebody scores.
      await record(symbol, 3, 20, 1);
      await record(symbol, 4, 15);
      await catchUp(sql);
      await first.sql`commit`;
    });
    await score();
    expect(await countsOf(id)).toEqual(await expectedOf(id, symbol));
  });

  it('lets an indicator go while it is scored, and keeps nothing of it', async () => {
    const { symbol, id } = await added();
    for (const minute of [0, 1, 2, 3]) await record(symbol, minute, 10 + minute);
    await catchUp(sql);
    await sql`update indicator.unscored set noted_at = '-infinity'`;
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      await first.sql`select track.score()`;
      const removing = second.sql`select indicator.remove(${id})`.execute();
      await untilBlocked(sql, second);
      await first.sql`commit`;
      await removing;
    });
    expect(await keptOf(id)).toEqual([]);
    const other = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    await computeAll(sql);
    await score();
    expect(await keptOf(other)).not.toEqual([]);
    await record(symbol, 4, 20);
    await catchUp(sql);
    await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
    await sql`call feed.remove_instrument(${symbol})`;
    expect(await keptOf(other)).toEqual([]);
    expect([
      ...(await sql`select from indicator.unscored where indicator_id in (${id}, ${other})`),
    ]).toEqual([]);
  });

  it.each([
    [
      'the values of its timeframe',
      `insert into indicator.retention (timeframe, retain_for) values ('1m', '2 days')`,
    ],
    [
      'values, verdicts and candles',
      `update feed.storage set retain_for = '2 days' where timeframe is not null or level in ('ticks', 'values', 'verdicts')`,
    ],
  ])('keeps what it counted when %s are given up, and goes on', async (_, setting) => {
    const { symbol, id } = await added();
    const quotes = async (from: number, to: number) => {
      const hours = Array.from({ length: from - to }, (_, index) => from - index);
      const ticks = hours.map(ago => quoteOfAge(sql, symbol, `${ago} hours`, 10 + ((ago * 7) % 5)));
      await feed.recordTicks('manual', await Promise.all(ticks));
      await catchUp(sql);
      await sayInTime(id);
    };
    // So long that whatever the day of the week a whole chunk of values, a week, is over two days old.
    await quotes(340, 10);
    await score();
    const before = await countsOf(id);
    expect(before['said 1']?.[0]).toBeGreaterThan(320);
    await sql.unsafe(setting);
    await sql`call ops.apply_storage()`;
    const [left] =
      await sql`select count(*)::int as count from indicator.values where indicator_id = ${id}`;
    // Two days, the begin of that day, and a chunk.
    expect(left?.count).toBeLessThanOrEqual(330 - (340 - 24 * (2 + 1 + 7)));
    await sql`select track.recount(${id})`;
    await score();
    expect(await countsOf(id)).toEqual(before);
    await quotes(10, 5);
    await score();
    const after = await countsOf(id);
    expect(after['said 1']?.[0]).toBe((before['said 1']?.[0] ?? 0) + 5);
    expect(after['final 20']?.[0]).toBe((before['final 20']?.[0] ?? 0) + 5);
    await sql`delete from indicator.retention where timeframe = '1m'`;
  });
});
