import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { hasWork, subscribe } from '../../../tests/support/outbox.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

describeOnEngine('A subscription with a pace', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  /** A candle of a day that has not ended, so that it forms for as long as a test takes. */
  async function formingCandle(formingEvery = '1 hour') {
    const symbol = await addInstrument(sql);
    const name = `${symbol}-paced`;
    await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, '1d', 'bid',
      forming_every => ${formingEvery}::text::interval)`;
    const [row] = await sql<{ now: string }[]>`
      select to_char(now() + interval '2 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as now`;
    const now = row?.now ?? '';
    return { symbol, name, now };
  }

  const claim = async (name: string) =>
    (await outbox.claimDeliveries(10_000)).filter(delivery => delivery.subscription === name);

  async function delivery(name: string) {
    const [row] = await sql<{ is_due: boolean; waits: number; revision: number }[]>`
      select d.due_at <= now() as is_due, extract(epoch from d.due_at - now())::float8 as waits, d.revision::int
      from outbox.deliveries as d join outbox.subscriptions as s using (subscription_id) where s.name = ${name}`;
    return row;
  }

  /** As if the moment that a forming candle waits for had come. */
  const passTime = (name: string) => sql`
    update outbox.deliveries as d set due_at = now() - interval '1 second'
    from outbox.subscriptions as s where s.subscription_id = d.subscription_id and s.name = ${name}`;

  async function change(symbol: string, observedAt: string, bid: number): Promise<void> {
    await feed.recordTicks('manual', [tickOf(symbol, observedAt, { seq: bid, bid })]);
    await capture(sql);
  }

  it('is sent a forming candle when its time has come, with the state of then', async () => {
    const { symbol, name, now } = await formingCandle();
    await change(symbol, now, 1);
    expect(await claim(name)).toEqual([]);
    const first = await delivery(name);
    expect(first?.is_due).toBe(false);
    expect(first?.waits).toBeLessThanOrEqual(3_600);
    await change(symbol, now, 2);
    expect(await delivery(name)).toMatchObject({ is_due: false });
    await passTime(name);
    await change(symbol, now, 3);
    expect(await claim(name)).toMatchObject([{ close: 3, tick_count: 3, is_closed: false }]);
  });

  it('is sent the next state not before the next time, also of what changed while it was sent', async () => {
    const { symbol, name, now } = await formingCandle();
    await change(symbol, now, 1);
    await passTime(name);
    const sent = await claim(name);
    await change(symbol, now, 2);
    await outbox.markSent(sent);
    expect(await delivery(name)).toMatchObject({ is_due: false });
    expect(await claim(name)).toEqual([]);
  });

  it('is sent a closing at once', async () => {
    const { symbol, name, now } = await formingCandle();
    await change(symbol, now, 1);
    await sql`update outbox.candles set closes_at = now() - interval '1 second'
      where instrument_id = feed.instrument_id(${symbol})`;
    await outbox.closeCandles();
    expect(await claim(name)).toMatchObject([{ is_closed: true, close: 1 }]);
  });

  it('is sent a changed closed candle at once', async () => {
    const { symbol, name } = await formingCandle();
    await change(symbol, '2026-03-02T10:00:00Z', 1);
    expect(await claim(name)).toMatchObject([{ is_closed: true, close: 1 }]);
  });

  it('does not hold up another subscription to the same candle', async () => {
    const { symbol, name, now } = await formingCandle();
    const other = await subscribe(sql, symbol, { timeframe: '1d' });
    await change(symbol, now, 1);
    expect(await claim(other)).toHaveLength(1);
    expect(await delivery(name)).toMatchObject({ is_due: false });
  });

  it('is no work and no delay while nothing is due', async () => {
    const { symbol, name, now } = await formingCandle();
    await change(symbol, now, 1);
    for (const each of await outbox.claimDeliveries(10_000)) await outbox.markSent([each]);
    expect(await hasWork(sql)).toBe(false);
    const [queue] = await sql`
      select pending::int, oldest_pending_at, forming_every::text from ops.queues where subscription = ${name}`;
    expect(queue).toEqual({ pending: 0, oldest_pending_at: null, forming_every: '01:00:00' });
    await passTime(name);
    expect(await hasWork(sql)).toBe(true);
    await outbox.markSent(await claim(name));
  });

  it('has all its candles wait for the same moment', async () => {
    const { symbol, name, now } = await formingCandle();
    await sql`select outbox.subscribe(${name}, ${name}, ${symbol}, '4h', 'bid', forming_every => '1 hour')`;
    await change(symbol, now, 1);
    const [row] = await sql`
      select count(*)::int, count(distinct due_at)::int as moments
      from outbox.deliveries as d join outbox.subscriptions as s using (subscription_id) where s.name = ${name}`;
    expect(row).toEqual({ count: 2, moments: 1 });
  });

  for (const pace of ['-1 second', '61 minutes']) {
    it(`is refused with a pace of ${pace}`, async () => {
      await expect(
        sql`select outbox.subscribe('paced', 'paced', forming_every => ${pace}::text::interval)`,
      ).rejects.toMatchObject({ code: '23514' });
    });
  }
});
