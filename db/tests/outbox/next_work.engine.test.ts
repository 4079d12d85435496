import { beforeEach, expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { hasWork, subscribe } from '../../../tests/support/outbox.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

describeOnEngine('outbox.next_work_at', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  beforeEach(async () => {
    await sql`delete from outbox.subscriptions`;
    await sql`delete from outbox.changes`;
    await sql`delete from outbox.candles`;
  });

  async function nextWorkAt(): Promise<string | null> {
    const [row] = await sql<[{ at: string | null }]>`select outbox.next_work_at()::text as at`;
    return row.at;
  }

  const soon = '2100-01-01 00:00:00+00';
  const later = '2100-01-02 00:00:00+00';

  /** Two subscriptions, each with a candle that waits to be sent to it. */
  async function waiting() {
    const symbol = await addInstrument(sql);
    const names = [await subscribe(sql, symbol), await subscribe(sql, symbol)];
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    return { symbol, names };
  }

  it('is null while there is nothing to do, and says so to the publisher', async () => {
    expect(await nextWorkAt()).toBeNull();
    expect(await outbox.nextWorkIn()).toBeNull();
  });

  it('is now when something changed or waits to be sent', async () => {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    expect(await hasWork(sql), 'a mark').toBe(true);
    await capture(sql);
    expect(await hasWork(sql), 'a delivery').toBe(true);
    expect(await outbox.nextWorkIn()).toBeLessThanOrEqual(0);
    await sql`select outbox.pause(${name})`;
    expect(await nextWorkAt(), 'a paused delivery').toBeNull();
    await sql`select outbox.resume(${name})`;
    const claimed = await outbox.claimDeliveries(10);
    expect(await hasWork(sql), 'a leased delivery').toBe(false);
    await outbox.markSent(claimed);
    expect(await nextWorkAt(), 'nothing').toBeNull();
  });

  it('is when the first candle closes', async () => {
    await waiting();
    await outbox.markSent(await outbox.claimDeliveries(10));
    await sql`update outbox.candles set is_closed = false, closes_at = ${later}::text::timestamptz`;
    expect(await nextWorkAt()).toBe(later);
    await sql`
      insert into outbox.candles
      select instrument_id, '5m', side, bucket, open, high, low, close, sum, volume, tick_count, spread,
        ${soon}::text::timestamptz, false, revision, captured_at
      from outbox.candles limit 1`;
    expect(await nextWorkAt()).toBe(soon);
    await sql`update outbox.candles set closes_at = now() - interval '1 second' where timeframe = '5m'`;
    expect(await hasWork(sql)).toBe(true);
    expect(await outbox.closeCandles()).toBe(1);
    expect(await nextWorkAt()).toBe(later);
  });

  it('is when the first paced candle is due, and the first lease ends', async () => {
    const { names } = await waiting();
    const set = (column: string, name: string | undefined, value: string) =>
      sql.unsafe(
        `update outbox.deliveries as d set ${column} = '${value}' from outbox.subscriptions as s
         where s.subscription_id = d.subscription_id and s.name = '${name}'`,
      );
    await set('due_at', names[0], later);
    await set('due_at', names[1], soon);
    expect(await nextWorkAt()).toBe(soon);
    await set('claimed_until', names[1], later);
    expect(await nextWorkAt()).toBe(later);
    await set('claimed_until', names[0], soon);
    await set('due_at', names[0], '-infinity');
    expect(await nextWorkAt()).toBe(soon);
    await set('claimed_until', names[0], '-infinity');
    expect(await hasWork(sql)).toBe(true);
  });

  it('is when a subscription that failed is tried again', async () => {
    const { names } = await waiting();
    await sql`select outbox.pause(${names[1] ?? ''})`;
    const retryAt = (value: string) =>
      sql`update outbox.subscriptions set retry_at = ${value}::text::timestamptz where name = ${names[0] ?? ''}`;
    await retryAt(soon);
    expect(await nextWorkAt()).toBe(soon);
    await retryAt('-infinity');
    expect(await hasWork(sql)).toBe(true);
  });

  it('is now for history that is asked for, unless its subscription takes none', async () => {
    const symbol = await addInstrument(sql);
    await sql`select outbox.subscribe('history', 'history', ${symbol}, '1m', from_time => now())`;
    expect(await hasWork(sql)).toBe(true);
    await sql`update outbox.subscriptions set retry_at = ${soon}::text::timestamptz`;
    expect(await nextWorkAt()).toBe(soon);
    await sql`select outbox.pause('history')`;
    expect(await nextWorkAt()).toBeNull();
  });

  it('comes with a heartbeat, beside the queues of who is not paused', async () => {
    const { names } = await waiting();
    await sql`select outbox.pause(${names[1] ?? ''})`;
    const duties = await outbox.beat('host', 1, ['worker-a', 'worker-b']);
    expect(duties.next_work_in).toBeLessThanOrEqual(0);
    expect(duties.queues).toEqual([`queue-${names[0]}`]);
    const [process] = await sql`
      select process, worker_ids, seen_at > now() - interval '1 minute' as is_alive from ops.processes`;
    expect(process).toEqual({
      process: 'publish',
      worker_ids: ['worker-a', 'worker-b'],
      is_alive: true,
    });
  });
});
