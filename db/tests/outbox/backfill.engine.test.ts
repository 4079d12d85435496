import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { hasWork, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox, type Delivery } from '../../../workers/publish/outbox.ts';
import type { Sql } from '../../runtime/database.ts';

describeOnEngine('A subscription from a time on', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  /** Ticks `step` seconds apart that somebody else's subscription captured or nobody did. */
  async function history(count: number, { from = '2026-03-02T10:00:00Z', step = 60 } = {}) {
    const symbol = await addInstrument(sql);
    await addTicks(symbol, count, { from, step });
    return symbol;
  }

  async function addTicks(symbol: string, count: number, { from = '', step = 60 }): Promise<void> {
    await feed.recordTicks(
      'manual',
      Array.from({ length: count }, (_, index) =>
        tickOf(symbol, later(from, index * step), { bid: index + 1 }),
      ),
    );
    await capture(sql);
  }

  async function subscribeFrom(symbol: string, from: string, timeframe = '1m'): Promise<string> {
    const name = `${symbol}-from`;
    await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, ${timeframe}, 'bid',
      from_time => ${from}::text::timestamptz)`;
    return name;
  }

  /** As publish passes do until nothing is left; in the order in which it was sent. */
  async function drain(name: string, atOnce = 1_000) {
    const sent: Delivery[] = [];
    let longest = 0;
    for (;;) {
      await capture(sql);
      const stretches = await outbox.continueBackfills();
      longest = Math.max(longest, (await waitingFor(sql, name)).length);
      const claimed = (await outbox.claimDeliveries(atOnce)).filter(
        delivery => delivery.subscription === name,
      );
      await outbox.markSent(claimed);
      sent.push(...claimed);
      if (stretches === 0 && claimed.length === 0) return { sent, longest };
    }
  }

  const backfills = async () => (await sql`select from outbox.backfills`).length;

  it('gets the stored candles that end after it, oldest first, as they are in feed.candles', async () => {
    const symbol = await history(10);
    const name = await subscribeFrom(symbol, '2026-03-02T10:04:30Z');
    const { sent } = await drain(name);
    const candles = await sql<{ bucket: string; close: number }[]>`
      select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket, close, tick_count::int, sum, true as is_closed
      from feed.candles(${symbol}, '1m', 'bid', '2026-03-02T10:04:00Z')`;
    expect(candles).toHaveLength(6);
    expect(sent).toMatchObject([...candles]);
    expect(await backfills()).toBe(0);
    expect(await hasWork(sql)).toBe(false);
  });

  it('gets nothing twice, and what changes later with a higher revision', async () => {
    const symbol = await history(3);
    const name = await subscribeFrom(symbol, '-infinity');
    const { sent } = await drain(name);
    expect(sent).toHaveLength(3);
    expect((await drain(name)).sent).toEqual([]);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:01:30'), { bid: 9 })]);
    const again = (await drain(name)).sent;
    expect(again).toMatchObject([{ bucket: '2026-03-02T10:01:00Z', close: 9, tick_count: 2 }]);
    expect(again[0]?.revision).toBeGreaterThan(sent[2]?.revision ?? Number.POSITIVE_INFINITY);
  });

  it('tells others nothing, and keeps the revisions that were sent already', async () => {
    const symbol = await addInstrument(sql);
    const early = await subscribe(sql, symbol);
    await addTicks(symbol, 5, { from: '2026-03-02T10:00:00Z' });
    const first = (await drain(early)).sent;
    await addTicks(symbol, 5, { from: '2026-03-02T11:00:00Z' });
    await drain(early);
    const name = await subscribeFrom(symbol, '2026-03-02T10:00:00Z');
    const { sent } = await drain(name);
    expect(sent).toHaveLength(10);
    expect(sent.slice(0, 5).map(each => each.revision)).toEqual(first.map(each => each.revision));
    expect(await waitingFor(sql, early)).toEqual([]);
  });

  it('leaves to the capture what is not captured yet, so that others are told too', async () => {
    const symbol = await history(2);
    const early = await subscribe(sql, symbol);
    await sql`call feed.advance_candles()`;
    await feed.recordTicks('manual', [tickOf(symbol, at('10:05:30'), { bid: 9 })]);
    await sql`call outbox.refresh_late()`;
    const name = await subscribeFrom(symbol, '-infinity');
    await outbox.continueBackfills();
    const closes = (await drain(name)).sent.map(each => each.close);
    expect(closes.toSorted((a, b) => a - b)).toEqual([1, 2, 9]);
    expect(await waitingFor(sql, early)).toHaveLength(1);
  });

  it('leaves to the capture what comes in while the history is read', async () => {
    const symbol = await history(1);
    const held = 4_711;
    await withSessions(sql, async (holder, reader) => {
      await holder.sql`select pg_advisory_lock(${held}::bigint)`;
      await reader.sql`begin`;
      // The read of the candles alone waits; the statement around it has begun.
      const [{ source } = { source: '' }] = await reader.sql<{ source: string }[]>`
        select pg_get_functiondef(p.oid) as source from pg_proc as p where p.proname = 'read_candles'`;
      await reader.sql.unsafe(
        source.replace(/\bbegin\b/, `begin\n  perform pg_advisory_xact_lock(${held});`),
      );
      const reading = reader.sql`
        select bucket from outbox.history_candles(feed.instrument_id(${symbol}), '1m', 'bid',
          '2026-03-02T10:00:00Z', '2026-03-02T10:05:00Z')`.execute();
      await untilBlocked(sql, reader);
      await feed.recordTicks('manual', [tickOf(symbol, '2026-03-02T10:01:00Z', { bid: 2 })]);
      await holder.sql`select pg_advisory_unlock(${held}::bigint)`;
      expect(await reading).toEqual([{ bucket: '2026-03-02 10:00:00+00' }]);
      await reader.sql`rollback`;
    });
  });

  it('jumps over gaps of any length, and covers all of a long history in short lines', async () => {
    const symbol = await history(2_500, { from: '2021-01-04T00:00:00Z', step: 1 });
    await addTicks(symbol, 2_500, { from: '2026-03-02T00:00:00Z', step: 1 });
    const name = await subscribeFrom(symbol, '-infinity', '1s');
    const { sent, longest } = await drain(name, 400);
    expect(sent).toHaveLength(5_000);
    expect(new Set(sent.map(each => each.bucket)).size).toBe(5_000);
    expect(sent.map(each => each.bucket)).toEqual(sent.map(each => each.bucket).toSorted());
    expect(longest).toBeLessThan(3_100);
  });

  it('goes on where it was when a publisher died in it', async () => {
    const symbol = await history(3_000, { step: 1 });
    const name = await subscribeFrom(symbol, '-infinity', '1s');
    await withSessions(sql, async session => {
      await session.sql`begin`;
      await session.sql`select outbox.continue_backfills()`;
      await session.sql`rollback`;
    });
    expect(await waitingFor(sql, name)).toEqual([]);
    await outbox.continueBackfills();
    expect((await waitingFor(sql, name)).length).toBeGreaterThan(0);
    expect((await drain(name)).sent).toHaveLength(3_000);
  });

  it('waits while the subscription is paused', async () => {
    const symbol = await history(3);
    const name = await subscribeFrom(symbol, '-infinity');
    await sql`select outbox.pause(${name})`;
    expect(await outbox.continueBackfills()).toBe(0);
    expect(await hasWork(sql)).toBe(false);
    const [queue] = await sql`
      select to_char(backfilling_from, 'YYYY') as year, is_paused from ops.queues where subscription = ${name}`;
    expect(queue).toMatchObject({ is_paused: true });
    await sql`select outbox.resume(${name})`;
    expect(await hasWork(sql)).toBe(true);
    expect((await drain(name)).sent).toHaveLength(3);
  });

  it('has the forming candle too, and a subscription to closed ones when it is closed', async () => {
    const symbol = await addInstrument(sql);
    const [row] = await sql<{ now: string }[]>`
      select to_char(now() + interval '2 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as now`;
    await addTicks(symbol, 1, { from: row?.now ?? '' });
    const all = await subscribeFrom(symbol, '-infinity', '1d');
    const closed = `${symbol}-closed`;
    await sql`select outbox.subscribe(${closed}, ${closed}, ${symbol}, '1d', 'bid', true, from_time => '-infinity')`;
    expect((await drain(all)).sent).toMatchObject([{ is_closed: false }]);
    expect(await waitingFor(sql, closed)).toEqual([]);
    await sql`update outbox.candles set closes_at = now() - interval '1 second'
      where instrument_id = feed.instrument_id(${symbol})`;
    await outbox.closeCandles();
    expect((await drain(closed)).sent).toMatchObject([{ is_closed: true }]);
  });

  it('loses nothing of ticks that are captured while it is made', async () => {
    const symbol = await history(2);
    const name = `${symbol}-from`;
    await withSessions(sql, async (subscribing, capturing) => {
      await subscribing.sql`begin`;
      await subscribing.sql`select outbox.subscribe(${name}, ${name}, ${symbol}, '1m', 'bid', from_time => '-infinity')`;
      await feed.recordTicks('manual', [tickOf(symbol, at('12:00:00'), { bid: 7 })]);
      await capturing.sql`select outbox.capture_deltas()`;
      await subscribing.sql`commit`;
    });
    const closes = (await drain(name)).sent.map(each => each.close);
    expect(closes.toSorted((a, b) => a - b)).toEqual([1, 2, 7]);
  });

  it('sends nothing again that a capture told it before its history came to it', async () => {
    const symbol = await history(3);
    const name = await subscribeFrom(symbol, '-infinity');
    await feed.recordTicks('manual', [tickOf(symbol, at('10:01:30'), { bid: 9 })]);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:07:00'), { bid: 7 })]);
    await capture(sql);
    const told = await outbox.claimDeliveries(1_000);
    await outbox.markSent(told);
    expect(told.map(each => each.close).toSorted()).toEqual([7, 9]);
    const { sent } = await drain(name);
    expect(sent.map(each => each.close)).toEqual([1, 3]);
  });

  it('sends nothing again that closed before its history came to it', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    await addTicks(symbol, 3, { from: '2026-03-02T10:00:00Z' });
    await sql`update outbox.candles set is_closed = false
      where instrument_id = feed.instrument_id(${symbol}) and bucket = '2026-03-02T10:01:00Z'`;
    const name = await subscribeFrom(symbol, '-infinity');
    await outbox.closeCandles();
    const own = async () =>
      (await outbox.claimDeliveries(1_000)).filter(each => each.subscription === name);
    const told = await own();
    await outbox.markSent(told);
    expect(told).toMatchObject([{ close: 2, is_closed: true }]);
    expect((await drain(name)).sent.map(each => each.close)).toEqual([1, 3]);
  });

  it('is told what the history of another subscription brought up meanwhile', async () => {
    const symbol = await history(3);
    const first = await subscribeFrom(symbol, '-infinity');
    const second = `${symbol}-second`;
    await sql`select outbox.subscribe(${second}, ${second}, ${symbol}, '1m', 'bid', from_time => '-infinity')`;
    await sql`select outbox.pause(${second})`;
    await feed.recordTicks('manual', [tickOf(symbol, at('10:07:00'), { bid: 7 })]);
    const sent = (await drain(first)).sent.map(each => each.close);
    expect(sent.toSorted()).toEqual([1, 2, 3, 7]);
    await sql`select outbox.resume(${second})`;
    const also = (await drain(second)).sent.map(each => each.close);
    expect(also.toSorted()).toEqual([1, 2, 3, 7]);
  });

  it('sends its history once more when it is asked to', async () => {
    const symbol = await history(3);
    const name = await subscribeFrom(symbol, '-infinity');
    const { sent } = await drain(name);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:07:00'), { bid: 7 })]);
    await drain(name);
    await subscribeFrom(symbol, '2026-03-02T10:01:00Z');
    const again = (await drain(name)).sent;
    expect(again.map(each => each.close)).toEqual([2, 3, 7]);
    const claimedNow = { claimed_at: expect.any(String) };
    expect(again.slice(0, 2)).toEqual(sent.slice(1).map(each => ({ ...each, ...claimedNow })));
  });

  it('begins again where it is asked to while a stretch is queued', async () => {
    const symbol = await history(10);
    const name = await subscribeFrom(symbol, '2026-03-02T10:08:00Z');
    await withSessions(sql, async (subscribing, publishing) => {
      await publishing.sql`begin`;
      await createOutbox(publishing.sql).continueBackfills();
      const asked = askAgain(subscribing.sql, name, symbol, '2026-03-02T10:02:00Z');
      await untilBlocked(sql, subscribing);
      await publishing.sql`commit`;
      await asked;
    });
    const { sent } = await drain(name);
    expect(new Set(sent.map(each => each.bucket)).size).toBe(8);
  });

  it('holds up no publisher while it is asked for again, and has all of it afterwards', async () => {
    const symbols = [await history(10), await history(10)];
    const [first = '', second = ''] = symbols;
    const name = await subscribeFrom(second, '2026-03-02T10:08:00Z');
    await askAgain(sql, name, first, '2026-03-02T10:08:00Z');
    await withSessions(sql, async (subscribing, publishing) => {
      const publisher = createOutbox(publishing.sql);
      await publishing.sql`set lock_timeout = '5s'`;
      await subscribing.sql`begin`;
      await askAgain(subscribing.sql, name, first, '2026-03-02T10:02:00Z');
      await feed.recordTicks('manual', [tickOf(first, at('10:11:00'), { bid: 5 })]);
      await sql`call outbox.refresh_late()`;
      expect(await publisher.captureDeltas(500)).toMatchObject({ delta_count: 1 });
      expect(await publisher.continueBackfills()).toBe(1);
      await askAgain(subscribing.sql, name, second, '2026-03-02T10:02:00Z');
      await subscribing.sql`commit`;
      await publishing.sql`reset lock_timeout`;
    });
    const { sent } = await drain(name);
    const bucketsOf = (symbol: string) =>
      new Set(sent.filter(each => each.symbol === symbol).map(each => each.bucket)).size;
    expect(symbols.map(bucketsOf)).toEqual([9, 8]);
  });

  it('is all instruments and timeframes there are when it names none', async () => {
    const symbol = await history(2);
    await sql`select outbox.subscribe('everything', 'everything', side => 'bid', from_time => '2026-03-02T00:00:00Z')`;
    const { sent } = await drain('everything');
    const own = sent.filter(each => each.symbol === symbol);
    expect(new Set(own.map(each => each.timeframe)).size).toBe(7);
    expect(own).toHaveLength(2 + 2 + 5);
    await sql`select outbox.unsubscribe('everything')`;
  });

  it('ends with its subscription', async () => {
    const symbol = await history(3);
    const name = await subscribeFrom(symbol, '-infinity');
    expect(await backfills()).toBe(1);
    await sql`select outbox.unsubscribe(${name})`;
    expect(await backfills()).toBe(0);
    expect(await outbox.continueBackfills()).toBe(0);
  });
});

async function askAgain(sql: Sql, name: string, symbol: string, from: string): Promise<void> {
  await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, '1m', 'bid',
    from_time => ${from}::text::timestamptz)`;
}

function later(time: string, seconds: number): string {
  return new Date(Date.parse(time) + seconds * 1_000).toISOString();
}
