import { beforeAll, expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, quoteOfAge, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

describeOnEngine('outbox.close_candles', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  // Its candles stay forming for an hour, so that no test waits for a clock or races with one.
  beforeAll(async () => {
    await sql`insert into feed.sources (source, grace) values ('slow', '1 hour')`;
  });

  /** A captured candle that is still forming. */
  async function formingCandle(closedOnly = false) {
    const symbol = await addInstrument(sql, 'slow');
    const subscription = await subscribe(sql, symbol, { closedOnly });
    const tick = await quoteOfAge(sql, symbol, '2 minutes', 1);
    await feed.recordTicks('slow', [tick]);
    await capture(sql);
    return { symbol, subscription, tick };
  }

  /** The grace is over at once. */
  const endGrace = (symbol: string) => sql`
    update outbox.candles set closes_at = bucket + interval '1 minute'
    where instrument_id = feed.instrument_id(${symbol})`;

  const endGraceNow = (symbol: string) => sql`
    update outbox.candles set closes_at = clock_timestamp()
    where instrument_id = feed.instrument_id(${symbol})`;

  it('leaves a candle alone that is still forming', async () => {
    const { symbol } = await formingCandle();
    expect(await outbox.closeCandles()).toBe(0);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ is_closed: false }]);
  });

  it('closes a candle exactly once, without another tick, under a higher revision', async () => {
    const { symbol, subscription } = await formingCandle();
    const [forming] = await capturedOf(sql, symbol);
    await endGrace(symbol);
    expect(await outbox.closeCandles()).toBe(1);
    const [closed] = await capturedOf(sql, symbol);
    expect(closed).toEqual({ ...forming, is_closed: true, revision: expect.any(Number) });
    expect(closed?.revision).toBeGreaterThan(forming?.revision ?? Number.POSITIVE_INFINITY);
    expect(await waitingFor(sql, subscription)).toMatchObject([{ revision: closed?.revision }]);
    expect(await outbox.closeCandles()).toBe(0);
    expect(await capturedOf(sql, symbol)).toEqual([closed]);
  });

  it('sends a late change of a closed candle as a higher revision that is closed too', async () => {
    const { symbol, subscription, tick } = await formingCandle();
    await endGrace(symbol);
    await outbox.closeCandles();
    const [closed] = await capturedOf(sql, symbol);
    await feed.recordTicks('slow', [{ ...tick, seq: 1, bid: 5 }]);
    expect(await capture(sql)).toBe(1);
    const [changed] = await capturedOf(sql, symbol);
    expect(changed).toMatchObject({ close: 5, tick_count: 2, is_closed: true });
    expect(changed?.revision).toBeGreaterThan(closed?.revision ?? Number.POSITIVE_INFINITY);
    expect(await waitingFor(sql, subscription)).toMatchObject([{ revision: changed?.revision }]);
    expect(await outbox.closeCandles()).toBe(0);
  });

  it('waits for changes of the candle that are not captured yet', async () => {
    const { symbol, tick } = await formingCandle();
    await feed.recordTicks('slow', [{ ...tick, seq: 1, bid: 5 }]);
    await endGraceNow(symbol);
    expect(await outbox.closeCandles()).toBe(0);
    await capture(sql);
    expect(await outbox.closeCandles()).toBe(1);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 5, is_closed: true }]);
  });

  it('does not wait for ticks that are stored after its grace, which revise it', async () => {
    const { symbol, tick } = await formingCandle();
    await endGraceNow(symbol);
    await feed.recordTicks('slow', [{ ...tick, seq: 1, bid: 5 }]);
    expect(await outbox.closeCandles()).toBe(1);
    const [closed] = await capturedOf(sql, symbol);
    expect(closed).toMatchObject({ close: 1, is_closed: true });
    await capture(sql);
    const [revised] = await capturedOf(sql, symbol);
    expect(revised).toMatchObject({ close: 5, is_closed: true });
    expect(revised?.revision).toBeGreaterThan(closed?.revision ?? Number.POSITIVE_INFINITY);
  });

  it('does not wait for ticks after its end, which came in its grace', async () => {
    const { symbol } = await formingCandle();
    await sql`update outbox.candles set closes_at = now() - interval '1 second'
      where instrument_id = feed.instrument_id(${symbol})`;
    await feed.recordTicks('slow', [await quoteOfAge(sql, symbol, '45 seconds', 5)]);
    expect(await outbox.closeCandles()).toBe(1);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ close: 1, is_closed: true }]);
    await capture(sql);
  });

  it('does not wait for changes of other minutes and instruments', async () => {
    const { symbol } = await formingCandle();
    const other = await addInstrument(sql);
    await endGrace(symbol);
    await feed.recordTicks('slow', [tickOf(symbol, at('10:00:00'), { bid: 5 })]);
    await feed.recordTicks('manual', [await quoteOfAge(sql, other, '2 minutes', 1)]);
    expect(await outbox.closeCandles()).toBe(1);
    await capture(sql);
  });

  it('closes once when two publishers do it at the same time', async () => {
    const { symbol } = await formingCandle();
    await endGrace(symbol);
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      expect(await createOutbox(first.sql).closeCandles()).toBe(1);
      const other = createOutbox(second.sql).closeCandles();
      await untilBlocked(sql, second);
      await first.sql`commit`;
      expect(await other).toBe(0);
    });
  });

  it('sends nothing of a forming candle to a subscription of closed ones, and the closed one', async () => {
    const { symbol, subscription } = await formingCandle(true);
    expect(await waitingFor(sql, subscription)).toEqual([]);
    await endGrace(symbol);
    await outbox.closeCandles();
    expect(await waitingFor(sql, subscription)).toHaveLength(1);
  });

  it('captures a candle of the past as closed at once', async () => {
    const symbol = await addInstrument(sql);
    const subscription = await subscribe(sql, symbol, { closedOnly: true });
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 5 })]);
    await capture(sql);
    expect(await capturedOf(sql, symbol)).toMatchObject([{ is_closed: true }]);
    expect(await waitingFor(sql, subscription)).toHaveLength(1);
    expect(await outbox.closeCandles()).toBe(0);
  });
});
