import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, captureOnce, marksOf, subscribe } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

describeOnEngine('A capture and writers at the same time', ({ sql, engine }) => {
  const feed = createFeed(sql);
  const quote = (symbol: string, time: string, bid: number): Tick =>
    tickOf(symbol, at(time), { bid, ask: bid + 1 });

  it('give the last revision the last content when a tick is committed between claim and computation', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    const [claimed] = await marksOf(sql, symbol);
    await withSessions(sql, async (barrier, capturing) => {
      // The filters are read after the marks and before the candles.
      await barrier.sql`begin`;
      await barrier.sql`lock table outbox.filters in access exclusive mode`;
      const pass = captureOnce(capturing.sql);
      await untilBlocked(sql, capturing);
      await feed.recordTicks('manual', [quote(symbol, '10:00:01', 2)]);
      await barrier.sql`rollback`;
      expect(await pass).toMatchObject({ delta_count: 1 });
    });
    const [first] = await capturedOf(sql, symbol);
    expect(first).toMatchObject({ close: 2, tick_count: 2 });
    const [mark] = await marksOf(sql, symbol);
    expect(mark).toBeGreaterThan(claimed ?? Number.POSITIVE_INFINITY);
    expect(await capture(sql)).toBe(0);
    expect(await capturedOf(sql, symbol)).toEqual([first]);
    expect(await marksOf(sql, symbol)).toEqual([]);
  });

  it('capture what a long transaction adds after it is committed, without waiting for it', async () => {
    const symbol = await addInstrument(sql);
    const other = await addInstrument(sql);
    await subscribe(sql, symbol);
    await subscribe(sql, other);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1), quote(other, '10:00:00', 1)]);
    await withSessions(sql, async writer => {
      await writer.sql`begin`;
      await createFeed(writer.sql).recordTicks('manual', [quote(symbol, '10:00:01', 2)]);
      // Both marks are read; the one that the writer holds stays.
      expect(await captureOnce(sql)).toEqual({ change_count: 2, delta_count: 2 });
      expect(await marksOf(sql, other)).toEqual([]);
      expect(await marksOf(sql, symbol)).toHaveLength(1);
      expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 1, tick_count: 1 }]);
      await writer.sql`commit`;
    });
    const [before] = await capturedOf(sql, symbol);
    expect(await capture(sql)).toBe(1);
    const [after] = await capturedOf(sql, symbol);
    expect(after).toMatchObject({ close: 2, tick_count: 2 });
    expect(after?.revision).toBeGreaterThan(before?.revision ?? Number.POSITIVE_INFINITY);
  });

  // On plain PostgreSQL writers of one instrument wait for each other: its candles are stored with the ticks.
  if (engine === 'timescaledb') {
    it('let others write and capture the same minute while a long transaction is open', async () => {
      const symbol = await addInstrument(sql);
      await subscribe(sql, symbol);
      await withSessions(sql, async writer => {
        await writer.sql`begin`;
        await createFeed(writer.sql).recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
        await captureOnce(sql);
        // Marks of the generation that the capture began: nobody waits for the writer's.
        await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
          values (feed.instrument_id(${symbol}), ${at('10:00:01')}, 2, 3)`;
        expect(await captureOnce(sql)).toEqual({ change_count: 1, delta_count: 1 });
        expect(await marksOf(sql, symbol)).toEqual([]);
        await writer.sql`commit`;
      });
      expect(await capture(sql)).toBe(1);
      expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 2, tick_count: 2 }]);
    });
  }

  it('leave nothing to do when the long transaction is rolled back', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    await withSessions(sql, async writer => {
      await writer.sql`begin`;
      await createFeed(writer.sql).recordTicks('manual', [quote(symbol, '10:00:01', 2)]);
      await captureOnce(sql);
      await writer.sql`rollback`;
    });
    expect(await capture(sql)).toBe(0);
    expect(await marksOf(sql, symbol)).toEqual([]);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 1, tick_count: 1 }]);
  });

  it('wait for each other: a second capture begins when the first is committed', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      expect(await captureOnce(first.sql)).toEqual({ change_count: 1, delta_count: 1 });
      const later = captureOnce(second.sql);
      await untilBlocked(sql, second);
      await first.sql`commit`;
      expect(await later).toEqual({ change_count: 0, delta_count: 0 });
    });
  });

  it('do everything again after a capture that was lost in the middle', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
    await withSessions(sql, async lost => {
      await lost.sql`begin`;
      expect(await captureOnce(lost.sql)).toEqual({ change_count: 1, delta_count: 1 });
      await lost.sql`rollback`;
    });
    expect(await capturedOf(sql, symbol)).toEqual([]);
    expect(await capture(sql)).toBe(1);
  });

  it('let a subscription that is made meanwhile see every later change', async () => {
    const symbol = await addInstrument(sql);
    await withSessions(sql, async subscriber => {
      await subscriber.sql`begin`;
      await subscribe(subscriber.sql, symbol);
      await feed.recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
      expect(await capture(sql)).toBe(0);
      await subscriber.sql`commit`;
    });
    await feed.recordTicks('manual', [quote(symbol, '10:00:01', 2)]);
    expect(await capture(sql)).toBe(1);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 2, tick_count: 2 }]);
  });
});
