import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, subscribe, waitingFor } from '../../../tests/support/outbox.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';
import { createUpkeep } from '../../../workers/upkeep/upkeep.ts';

describeOnEngine('What was sent', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);
  const upkeep = createUpkeep(sql, sql);

  /** Two candles that were captured and sent. */
  async function sentCandles() {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks(
      'manual',
      ['10:00:00', '11:00:00'].map(time => tickOf(symbol, at(time), { bid: 1 })),
    );
    await capture(sql);
    await sendAll();
    return { symbol, name };
  }

  const sendAll = async () => outbox.markSent(await outbox.claimDeliveries(10_000));

  const age = (symbol: string) => sql`
    update outbox.candles set captured_at = captured_at - interval '8 days'
    where instrument_id = feed.instrument_id(${symbol})`;

  it('is queued again by outbox.republish with the revisions it has', async () => {
    const { symbol, name } = await sentCandles();
    expect(await waitingFor(sql, name)).toEqual([]);
    expect(await outbox.republish(name)).toBe(2);
    const revisions = (await capturedOf(sql, symbol)).map(each => each.revision);
    expect((await waitingFor(sql, name)).map(each => each.revision)).toEqual(revisions);
    expect(await outbox.republish(name)).toBe(0);
    await sendAll();
  });

  it('stays queued when it was on its way to the lost queue', async () => {
    const { symbol, name } = await sentCandles();
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:30'), { bid: 2 })]);
    await capture(sql);
    const onItsWay = await outbox.claimDeliveries(10_000);
    expect(onItsWay).toHaveLength(1);
    expect(await outbox.republish(name)).toBe(2);
    await outbox.markSent(onItsWay);
    expect(await waitingFor(sql, name)).toHaveLength(2);
    await sendAll();
    expect(await waitingFor(sql, name)).toEqual([]);
  });

  const claim = async () => void (await outbox.claimDeliveries(10_000));
  const giveBack = async () => {
    await sql`select outbox.mark_failed(s.subscription_id, 'no queue') from outbox.subscriptions as s`;
    await sql`update outbox.subscriptions set retry_at = '-infinity'`;
  };
  const sendToo = async () => {
    await sql`update outbox.deliveries set claimed_until = clock_timestamp() - interval '1 ms'`;
    await sendAll();
  };

  it.each([
    { other: 'claims it afterwards', after: claim },
    { other: 'gave it back before', before: giveBack },
    { other: 'sent it too before', before: sendToo },
  ])('stays queued when its sender is late to say so, and another one $other', async each => {
    const { symbol, name } = await sentCandles();
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:30'), { bid: 2 })]);
    await capture(sql);
    const onItsWay = await outbox.claimDeliveries(10_000);
    expect(onItsWay).toHaveLength(1);
    await each.before?.();
    await outbox.republish(name);
    await each.after?.();
    await outbox.markSent(onItsWay);
    expect(await waitingFor(sql, name)).toHaveLength(2);
    await sendToo();
    expect(await waitingFor(sql, name)).toEqual([]);
  });

  it('is a fault in ops.status until it was sent again', async () => {
    const { symbol, name } = await sentCandles();
    const faults = async () => {
      const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
      return (row?.faults ?? []).filter(fault => fault.includes(`subscription ${name} `));
    };
    expect(await faults()).toEqual([]);
    await outbox.republish(name);
    const lost = expect.stringMatching(
      /is sent again what its queue has lost, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/,
    );
    expect(await faults()).toEqual([lost]);
    const [first, ...rest] = await outbox.claimDeliveries(10_000);
    await outbox.markSent(first === undefined ? [] : [first]);
    expect(await faults()).toEqual([lost]);
    // What is new is none of it.
    await feed.recordTicks('manual', [tickOf(symbol, at('12:00:00'), { bid: 1 })]);
    await capture(sql);
    await outbox.markSent(rest);
    expect(await waitingFor(sql, name)).toHaveLength(1);
    expect(await faults()).toEqual([]);
    await sendAll();
  });

  it('is queued again by ops.republish from a time on', async () => {
    const { name } = await sentCandles();
    const [row] = await sql`select ops.republish(${name}, ${at('10:30:00')})`;
    expect(row).toEqual({ republish: 1 });
    await sendAll();
  });

  it('is queued again only for a subscription that there is', async () => {
    await expect(outbox.republish('nobody')).rejects.toMatchObject({ code: 'NOSUB' });
  });

  it('is forgotten by outbox.purge when it is old, and the candle stays', async () => {
    const { symbol } = await sentCandles();
    await age(symbol);
    expect(await upkeep.purge()).toBe(2);
    expect(await capturedOf(sql, symbol)).toEqual([]);
    const candles = await sql`select from feed.candles(${symbol}, '1m', 'bid')`;
    expect(candles).toHaveLength(2);
  });

  it('is kept by outbox.purge while it is young, forming, or waited for', async () => {
    const { symbol, name } = await sentCandles();
    expect(await upkeep.purge()).toBe(0);
    await age(symbol);
    await outbox.republish(name);
    expect(await upkeep.purge()).toBe(0);
    await sendAll();
    await sql`update outbox.candles set is_closed = false, closes_at = 'infinity'
      where instrument_id = feed.instrument_id(${symbol}) and bucket = ${at('10:00:00')}`;
    expect(await upkeep.purge()).toBe(1);
  });

  it('gets a higher revision when it changes after it was forgotten', async () => {
    const { symbol, name } = await sentCandles();
    const [before] = await capturedOf(sql, symbol);
    await age(symbol);
    await upkeep.purge();
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:30'), { bid: 2 })]);
    expect(await capture(sql)).toBe(1);
    const [waiting] = await waitingFor(sql, name);
    expect(waiting?.revision).toBeGreaterThan(before?.revision ?? Number.POSITIVE_INFINITY);
    await sendAll();
  });

  it('is not forgotten while it is being queued again', async () => {
    const { symbol, name } = await sentCandles();
    await age(symbol);
    await withSessions(sql, async (repeating, purging) => {
      await repeating.sql`begin`;
      expect(await createOutbox(repeating.sql).republish(name)).toBe(2);
      const purge = createUpkeep(purging.sql, purging.sql).purge();
      await untilBlocked(sql, purging);
      await repeating.sql`commit`;
      expect(await purge).toBe(0);
    });
    expect(await outbox.claimDeliveries(10_000)).toHaveLength(2);
  });
});
