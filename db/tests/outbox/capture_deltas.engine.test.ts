import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { oracleCandles } from '../../../tests/support/oracle.ts';
import {
  capturedOf,
  captureOnce,
  marksOf,
  quoteOfAge,
  subscribe,
  waitingFor,
} from '../../../tests/support/outbox.ts';
import { at, collidingTick, secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

describeOnEngine('outbox.capture_deltas', ({ sql }) => {
  const feed = createFeed(sql);
  const quote = (symbol: string, time: string, bid: number): Tick =>
    tickOf(symbol, at(time), { bid, ask: bid + 1, last: bid, size: 0.1 });

  it('gives a changed candle a higher revision, and an unchanged one none', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1), quote(symbol, '10:01:00', 2)]);
    expect(await capture(sql)).toBe(2);
    const [first, second] = await capturedOf(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:01:30', 3)]);
    expect(await capture(sql)).toBe(1);
    const [unchanged, changed] = await capturedOf(sql, symbol);
    expect(unchanged).toEqual(first);
    expect(changed).toMatchObject({ close: 3, tick_count: 2 });
    expect(changed?.revision).toBeGreaterThan(second?.revision ?? Number.POSITIVE_INFINITY);
  });

  it('finds nothing new in ticks that are delivered again', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const ticks = Array.from({ length: 50 }, (_, n) =>
      tickOf(symbol, secondsAfter(n * 7), { bid: 1 + n / 7, size: n / 3 }),
    );
    await feed.recordTicks('manual', ticks);
    expect(await capture(sql)).toBe(6);
    await feed.recordTicks('manual', ticks.toReversed());
    expect(await captureOnce(sql)).toEqual({ change_count: 0, delta_count: 0 });
  });

  it('finds nothing new when a mark is there and no candle changed', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    await capture(sql);
    await sql`insert into outbox.changes (instrument_id, minute, changed_from, changed_to)
      values (feed.instrument_id(${symbol}), ${at('10:00:00')}, ${at('10:00:00')}, ${at('10:00:59')})`;
    expect(await capture(sql)).toBe(0);
    expect(await marksOf(sql, symbol)).toEqual([]);
  });

  it('captures a candle once that holds ticks of this moment and older ones', async () => {
    const [symbol, other] = [await addInstrument(sql), await addInstrument(sql)];
    const timeframes = ['1s', '1m', '1h', '1d'];
    for (const timeframe of timeframes) {
      await subscribe(sql, symbol, { timeframe });
      await subscribe(sql, other, { timeframe, side: 'mid' });
    }
    const sent: Tick[] = [];
    // In another order than that of their times, so that each capture has some of both.
    for (const ages of [
      ['9 minutes', '0.2 seconds'],
      ['0.1 seconds'],
      ['1 day', '70 seconds', '0'],
    ]) {
      const ticks = [];
      for (const [index, age] of ages.entries()) {
        ticks.push(await quoteOfAge(sql, symbol, age, 1 + sent.length + index));
        ticks.push(await quoteOfAge(sql, other, age, 10 + sent.length + index));
      }
      await feed.recordTicks('manual', ticks);
      sent.push(...ticks);
      const { change_count } = await captureOnce(sql);
      expect(change_count).toBe(2 * ages.length);
      for (const [instrument, side] of [
        [symbol, 'bid'],
        [other, 'mid'],
      ] as const) {
        const captured = await capturedOf(sql, instrument);
        for (const timeframe of timeframes) {
          expect(
            captured.filter(each => each.timeframe === timeframe),
            timeframe,
          ).toMatchObject(
            oracleCandles(sent, instrument, timeframe, side).map(
              ({ bucket, close, tick_count }) => ({ bucket, close, tick_count }),
            ),
          );
        }
      }
    }
  });

  it('sees a trade size that was missing or changed although no price did', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const bid = (seq: number, size: number | null) =>
      feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { seq, bid: 5, size })]);
    await bid(0, null);
    await bid(1, null);
    await capture(sql);
    await bid(2, 4);
    expect(await capture(sql)).toBe(1);
  });

  it('holds exactly the stored candles once everything is captured, whatever came in between', async () => {
    const timeframes = ['1s', '1m', '1d'];
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            ticks: fc.array(collidingTick, { minLength: 1, maxLength: 6 }),
            isCaptured: fc.boolean(),
          }),
          {
            minLength: 1,
            maxLength: 6,
          },
        ),
        async steps => {
          const symbol = await addInstrument(sql);
          for (const timeframe of timeframes) await subscribe(sql, symbol, { timeframe });
          const highest = new Map<string, number>();
          const sent: Tick[] = [];
          for (const { ticks, isCaptured } of steps) {
            const own = ticks.map(tick => ({ ...tick, symbol }));
            await feed.recordTicks('manual', own);
            sent.push(...own);
            if (isCaptured) await capture(sql);
            for (const { timeframe, bucket, revision } of await capturedOf(sql, symbol)) {
              const key = `${timeframe} ${bucket}`;
              expect(revision).toBeGreaterThanOrEqual(highest.get(key) ?? 0);
              highest.set(key, revision);
            }
          }
          await capture(sql);
          const captured = await capturedOf(sql, symbol);
          for (const timeframe of timeframes) {
            const expected = oracleCandles(sent, symbol, timeframe, 'bid');
            expect(
              captured
                .filter(each => each.timeframe === timeframe)
                .map(({ bucket, close, tick_count }) => ({ bucket, close, tick_count })),
            ).toEqual(
              expected.map(({ bucket, close, tick_count }) => ({ bucket, close, tick_count })),
            );
          }
        },
      ),
      { numRuns: 10 },
    );
  });

  it('leaves one mark a minute and one delivery a candle, however much changes while nobody sends', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    for (let n = 0; n < 20; n++) {
      await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(n * 5), { bid: 1 + n })]);
      if (n === 9) expect(await marksOf(sql, symbol)).toHaveLength(1);
      if (n >= 10) await capture(sql);
    }
    const waiting = await waitingFor(sql, name);
    const captured = await capturedOf(sql, symbol);
    expect(waiting.map(each => each.revision)).toEqual(captured.map(each => each.revision));
    expect(captured).toMatchObject([{ tick_count: 12 }, { tick_count: 8 }]);
  });

  it('takes at most as many minutes as asked for, the newest first', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1), quote(symbol, '10:05:00', 2)]);
    await sql`select outbox.capture_deltas(max_changes => 1)`;
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 2 }]);
    await capture(sql);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 1 }, { close: 2 }]);
  });

  it('forgets the marks of what nobody subscribed to', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    expect(await capture(sql)).toBe(0);
    expect(await marksOf(sql, symbol)).toEqual([]);
  });

  it('gives a mark that is made again another revision than the one that was removed', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    const before = await marksOf(sql, symbol);
    await capture(sql);
    await feed.recordTicks('manual', [quote(symbol, '10:00:01', 1)]);
    expect(await marksOf(sql, symbol)).not.toEqual(before);
    await capture(sql);
  });

  it('refuses to run on one snapshot, where old content would get a new revision', async () => {
    const session = await sql.reserve();
    await session`begin isolation level repeatable read`;
    await expect(session`select outbox.capture_deltas()`).rejects.toMatchObject({ code: 'ISOLA' });
    await session`rollback`;
    session.release();
  });
});
