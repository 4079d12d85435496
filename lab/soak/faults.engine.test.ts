import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../tests/support/database.ts';
import { at, tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { oldestChange, oldestDelivery, silence } from './faults.ts';
import { inTransaction } from './operator.ts';
import { hold } from './told.ts';
import type { Query } from './world.ts';

describeOnEngine('What a fault of the soak holds up', database => {
  const { sql } = database;
  const query: Query = async <Row>(text: string, values: unknown[] = []) =>
    [...(await sql.unsafe<Row[]>(text, values as string[]))] as Row[];
  let second = 0;
  const record = (symbol: string) =>
    createFeed(sql).recordTicks('manual', [
      tickOf(symbol, at(`10:00:${10 + second++}`), { bid: 1, ask: 2 }),
    ]);

  it('is a change once a tick came in, and not the captures that have nothing to do', async () => {
    const symbol = await addInstrument(sql);
    await inTransaction({ directUrl: database.url }, async (client, isOpen) => {
      await client.query(`select pg_advisory_xact_lock(hashtext('outbox.capture_deltas'))`);
      const idle = await hold(600, isOpen, () => oldestChange(query));
      expect(idle.to).toBe(idle.from);
      const before = Date.now();
      const [held] = await Promise.all([
        hold(2_000, isOpen, () => oldestChange(query)),
        record(symbol),
      ]);
      expect(held.from).toBeGreaterThanOrEqual(before);
      expect(held.to - held.from).toBeGreaterThan(500);
    });
    await capture(sql);
    expect(await oldestChange(query)).toBeUndefined();
  });

  it('is a delivery of the subscription, once a change was captured', async () => {
    const symbol = await addInstrument(sql);
    await sql`select outbox.subscribe('waiting', 'waiting', ${symbol})`;
    const before = Date.now();
    expect(await oldestDelivery(query, 'waiting')).toBeUndefined();
    await record(symbol);
    expect(await oldestDelivery(query, 'waiting')).toBeUndefined();
    await capture(sql);
    expect(await oldestDelivery(query, 'waiting')).toBeGreaterThanOrEqual(before);
    expect(await oldestDelivery(query, 'another')).toBeUndefined();
  });

  it('is the silence of a source once all is stored that was heard before', async () => {
    const symbol = await addInstrument(sql);
    await record(symbol);
    const isSilent = silence(query, 'manual');
    expect(await isSilent()).toBeUndefined();
    expect(await isSilent()).toBe(0);
    await record(symbol);
    expect(await isSilent()).toBeUndefined();
    expect(await isSilent()).toBe(0);
  });
});
