import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox, type Delivery } from '../../../workers/publish/outbox.ts';
import { createUpkeep } from '../../../workers/upkeep/upkeep.ts';

describeOnEngine('A delivery', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);
  const upkeep = createUpkeep(sql, sql);

  /** A subscription with one candle to send for each of these minutes. */
  async function waitingCandles(minutes = ['00']) {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks(
      'manual',
      minutes.map(minute => tickOf(symbol, at(`10:${minute}:00`), { bid: 1 })),
    );
    await capture(sql);
    return { symbol, name };
  }

  async function change(symbol: string, bid: number): Promise<void> {
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { seq: bid, bid })]);
    await capture(sql);
  }

  const claim = async (name: string): Promise<Delivery[]> =>
    (await outbox.claimDeliveries(10_000)).filter(delivery => delivery.subscription === name);

  /** Of another claim all is the same but its time. */
  const claimedAgain = (delivery: Delivery | undefined) => ({
    ...delivery,
    claimed_at: expect.any(String),
  });

  const endLease = (name: string) => sql`
    update outbox.deliveries as d set claimed_until = clock_timestamp() - interval '1 second'
    from outbox.subscriptions as s where s.subscription_id = d.subscription_id and s.name = ${name}`;

  async function subscriptionOf(name: string) {
    const [row] = await sql<Record<string, unknown>[]>`
      select subscription_id, failure_count, last_error, sent_count::int,
        retry_at > clock_timestamp() as is_backing_off
      from outbox.subscriptions where name = ${name}`;
    return row ?? {};
  }

  it('carries the newest state of its candle', async () => {
    const { symbol, name } = await waitingCandles();
    await change(symbol, 3);
    const [captured] = await capturedOf(sql, symbol);
    expect(await claim(name)).toMatchObject([
      {
        symbol,
        timeframe: '1m',
        side: 'bid',
        bucket: '2026-03-02T10:00:00Z',
        open: 1,
        high: 3,
        low: 1,
        close: 3,
        sum: 4,
        average: 2,
        volume: null,
        tick_count: 2,
        is_closed: true,
        revision: captured?.revision,
      },
    ]);
  });

  it('is claimed once until its lease ends, and then again', async () => {
    const { name } = await waitingCandles();
    const first = await claim(name);
    expect(first).toHaveLength(1);
    expect(await claim(name)).toEqual([]);
    await endLease(name);
    expect(await claim(name)).toEqual(first.map(claimedAgain));
  });

  it('is claimed by one of two publishers at the same time, neither waiting', async () => {
    const { name } = await waitingCandles(['00', '01']);
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      await createOutbox(first.sql).claimDeliveries(10_000);
      const other = await createOutbox(second.sql).claimDeliveries(10_000);
      expect(other.filter(delivery => delivery.subscription === name)).toEqual([]);
      await first.sql`commit`;
    });
    expect(await waitingFor(sql, name)).toMatchObject([{ is_claimed: true }, { is_claimed: true }]);
  });

  it('is gone when it is sent', async () => {
    const { name } = await waitingCandles();
    await outbox.markSent(await claim(name));
    expect(await waitingFor(sql, name)).toEqual([]);
    expect(await subscriptionOf(name)).toMatchObject({ sent_count: 1 });
  });

  it('stays, and may go at once, when its candle changed while it was sent', async () => {
    const { symbol, name } = await waitingCandles();
    const sent = await claim(name);
    await change(symbol, 3);
    await outbox.markSent(sent);
    const again = await claim(name);
    expect(again).toMatchObject([{ close: 3 }]);
    expect(again[0]?.revision).toBeGreaterThan(sent[0]?.revision ?? Number.POSITIVE_INFINITY);
  });

  it('is not removed by a publisher that comes back with an older revision', async () => {
    const { symbol, name } = await waitingCandles();
    const zombie = await claim(name);
    await change(symbol, 3);
    await endLease(name);
    const current = await claim(name);
    await outbox.markSent(zombie);
    expect(await waitingFor(sql, name)).toMatchObject([{ revision: current[0]?.revision }]);
    await outbox.markSent(current);
    expect(await waitingFor(sql, name)).toEqual([]);
    await outbox.markSent(zombie);
    expect(await waitingFor(sql, name)).toEqual([]);
  });

  it('is never lost or deadlocked when it is marked as sent while its candle is captured', async () => {
    const { symbol, name } = await waitingCandles(['00', '01', '02']);
    const sent = await claim(name);
    await withSessions(sql, async (capturing, marking) => {
      await feed.recordTicks('manual', [tickOf(symbol, at('10:01:30'), { bid: 7 })]);
      await capturing.sql`begin`;
      await capturing.sql`select outbox.capture_deltas()`;
      const marked = createOutbox(marking.sql).markSent(sent.toReversed());
      await untilBlocked(sql, marking);
      await capturing.sql`commit`;
      await marked;
    });
    expect(await claim(name)).toMatchObject([{ bucket: '2026-03-02T10:01:00Z', close: 7 }]);
  });

  it('waits while its subscription is paused', async () => {
    const { name } = await waitingCandles();
    await sql`update outbox.subscriptions set is_paused = true where name = ${name}`;
    expect(await claim(name)).toEqual([]);
    await sql`update outbox.subscriptions set is_paused = false where name = ${name}`;
    expect(await claim(name)).toHaveLength(1);
  });

  it('waits since its tick was stored, or since its candle was over, whenever it was queued', async () => {
    const { symbol, name } = await waitingCandles([]);
    const waits = async () => {
      const [row] = await sql<{ waits: string | null }[]>`
        select (clock_timestamp() - oldest_pending_at)::text as waits from ops.queues where subscription = ${name}`;
      return row?.waits;
    };
    // Nobody captures it for two hours; the newer one does not make it younger.
    const minutes = [at('10:00:00'), at('10:01:00')];
    await feed.recordTicks(
      'manual',
      minutes.map(time => tickOf(symbol, time, { bid: 1 })),
    );
    await sql`
      update outbox.changes set marked_at = marked_at - interval '2 hours'
      where instrument_id = feed.instrument_id(${symbol}) and minute = ${at('10:00:00')}::text::timestamptz`;
    await capture(sql);
    expect(await waits()).toMatch(/^02:0/);
    await change(symbol, 3);
    expect(await waits()).toMatch(/^02:0/);
    const sent = await claim(name);
    await change(symbol, 4);
    await outbox.markSent(sent);
    // What changed while it was sent.
    expect(await waits()).toMatch(/^00:0/);
    await outbox.markSent(await claim(name));
    expect(await waits()).toBeNull();
    // Nobody closes it for three hours.
    await sql`
      update outbox.candles set is_closed = false, closes_at = clock_timestamp() - interval '3 hours'
      where instrument_id = feed.instrument_id(${symbol})`;
    await sql`select outbox.close_candles()`;
    expect(await waits()).toMatch(/^03:0/);
  });

  it('waits after a failure, but those of other subscriptions go on', async () => {
    const [failing, healthy] = [await waitingCandles(), await waitingCandles()];
    const [delivery] = await claim(failing.name);
    await endLease(healthy.name);
    // Failed so often that the pause is at its longest.
    await sql`update outbox.subscriptions set failure_count = 20 where name = ${failing.name}`;
    await outbox.markFailed(delivery?.subscription_id ?? 0, 'queue is down');
    expect(await subscriptionOf(failing.name)).toMatchObject({
      failure_count: 21,
      last_error: 'queue is down',
      is_backing_off: true,
    });
    const claimed = await outbox.claimDeliveries(10_000);
    const names = claimed.map(each => each.subscription);
    expect(names).toContain(healthy.name);
    expect(names).not.toContain(failing.name);
    await sql`update outbox.subscriptions set retry_at = '-infinity' where name = ${failing.name}`;
    const again = await claim(failing.name);
    expect(again).toEqual([claimedAgain(delivery)]);
    await outbox.markSent(again);
    expect(await subscriptionOf(failing.name)).toMatchObject({
      failure_count: 0,
      last_error: null,
      is_backing_off: false,
    });
  });

  it('is tried again after a pause that doubles from a quarter of a second to fifteen', async () => {
    const { name } = await waitingCandles();
    const { subscription_id } = await subscriptionOf(name);
    for (const seconds of [0.25, 0.5, 1, 2, 4, 8, 15, 15]) {
      const [row] = await sql`
        with before as materialized (select clock_timestamp() as time),
          failed as materialized (select b.time, outbox.mark_failed(${Number(subscription_id)}, 'no') as retry_at from before as b)
        select retry_at >= f.time + make_interval(secs => ${seconds}) as is_long_enough,
          retry_at <= clock_timestamp() + make_interval(secs => ${seconds}) as is_short_enough
        from failed as f`;
      expect(row, `${seconds} s`).toEqual({ is_long_enough: true, is_short_enough: true });
    }
  });

  it('that was refused for good is kept with its candle and the reason', async () => {
    const { symbol, name } = await waitingCandles();
    await outbox.bury(await claim(name), 'body is not allowed');
    expect(await waitingFor(sql, name)).toEqual([]);
    const letters = await sql`
      select reason, queue, candle ->> 'close' as close from outbox.dead_letters where subscription = ${name}`;
    expect([...letters]).toEqual([
      { reason: 'body is not allowed', queue: `queue-${name}`, close: '1' },
    ]);
    await change(symbol, 3);
    expect(await waitingFor(sql, name)).toHaveLength(1);
  });

  it('is not buried when its candle changed since, and may go at once', async () => {
    const { symbol, name } = await waitingCandles();
    const refused = await claim(name);
    await change(symbol, 3);
    await outbox.bury(refused, 'no');
    expect(await waitingFor(sql, name)).toMatchObject([{ is_claimed: false }]);
  });

  it('of a short line is claimed beside those of a long one, and each line by age', async () => {
    const minutes = Array.from({ length: 30 }, (_, index) => String(index).padStart(2, '0'));
    const [long, short] = [await waitingCandles(minutes), await waitingCandles(['00', '01'])];
    const claimed = await outbox.claimDeliveries(20);
    const of = (name: string) => claimed.filter(each => each.subscription === name);
    expect(of(short.name)).toHaveLength(2);
    expect(of(long.name)).toHaveLength(20);
    await outbox.markSent(of(long.name));
    // The newest of the claimed ones changes: it waits behind those that have waited longer.
    const [first] = of(long.name);
    await feed.recordTicks('manual', [
      tickOf(long.symbol, first?.bucket ?? '', { seq: 1, bid: 7 }),
    ]);
    await capture(sql);
    const rest = (await outbox.claimDeliveries(20)).filter(each => each.subscription === long.name);
    expect(rest).toHaveLength(11);
    expect(rest.at(-1)).toMatchObject({ bucket: first?.bucket, close: 7 });
  });

  it('of a queue that somebody sends to already is left alone', async () => {
    const [busy, free] = [await waitingCandles(), await waitingCandles()];
    const claimed = await outbox.claimDeliveries(10_000, [`queue-${busy.name}`]);
    const names = claimed.map(each => each.subscription);
    expect(names).toContain(free.name);
    expect(names).not.toContain(busy.name);
    expect(await claim(busy.name)).toHaveLength(1);
  });

  async function lettersOf(name: string) {
    return [
      ...(await sql`
        select symbol, timeframe, side, to_char(bucket, 'HH24:MI') as bucket, reason
        from ops.dead_letters where subscription = ${name}`),
    ];
  }

  it('that was refused for good can be sent again, with the newest state of its candle', async () => {
    const { symbol, name } = await waitingCandles(['00', '01']);
    const refused = await claim(name);
    await outbox.bury(refused, 'no');
    expect(await lettersOf(name)).toEqual([
      { symbol, timeframe: '1m', side: 'bid', bucket: '10:00', reason: 'no' },
      { symbol, timeframe: '1m', side: 'bid', bucket: '10:01', reason: 'no' },
    ]);
    const [status] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
    expect(status?.faults.join()).toMatch(/\d messages are in outbox.dead_letters/);
    await change(symbol, 3);
    await outbox.markSent(await claim(name));
    // The other one was purged meanwhile.
    await sql`update outbox.candles set captured_at = captured_at - interval '8 days'`;
    await upkeep.purge();
    expect([...(await sql`select ops.redrive(${`${name}x`})`)]).toEqual([{ redrive: 0 }]);
    expect([...(await sql`select ops.redrive(${name})`)]).toEqual([{ redrive: 2 }]);
    expect(await lettersOf(name)).toEqual([]);
    const again = await claim(name);
    expect(again.find(each => each.bucket.includes('10:01'))).toEqual(
      claimedAgain(refused.find(each => each.bucket.includes('10:01'))),
    );
  });

  it('stays a dead letter when its subscription is gone, until it is discarded', async () => {
    const { name } = await waitingCandles();
    await outbox.bury(await claim(name), 'no');
    await sql`select outbox.unsubscribe(${name})`;
    expect([...(await sql`select ops.redrive(${name})`)]).toEqual([{ redrive: 0 }]);
    expect(await lettersOf(name)).toHaveLength(1);
    const discard = (before: string) => sql`
      select ops.discard_dead_letters(${name}, ${before}::text::timestamptz) as count`;
    expect([...(await discard('2026-01-01Z'))]).toEqual([{ count: 0 }]);
    expect([...(await discard('infinity'))]).toEqual([{ count: 1 }]);
    expect(await lettersOf(name)).toEqual([]);
  });
});
