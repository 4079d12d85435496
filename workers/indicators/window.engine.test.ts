import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../tests/support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  registerCatalog,
  valuesOf,
} from '../../tests/support/indicators.ts';
import { tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../ingest/feed.ts';

describeOnEngine('A kind that reads when its candles begin', ({ sql }) => {
  const feed = createFeed(sql);
  beforeAll(() => registerCatalog(sql));

  it('begins its day at midnight in UTC, live as in the history', async () => {
    const symbol = await addInstrument(sql);
    const record = (time: string, bid: number) =>
      feed.recordTicks('manual', [tickOf(symbol, time, { bid })]);
    const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'daily_vwap' });
    await record('2026-03-01T23:58:00Z', 10);
    await record('2026-03-01T23:59:59.999999Z', 20);
    await catchUp(sql);
    // Noon comes live, and the minutes before it late.
    await record('2026-03-02T12:00:00Z', 60);
    await catchUp(sql);
    await record('2026-03-02T00:00:00Z', 30);
    await record('2026-03-02T00:01:00Z', 60);
    await catchUp(sql);

    const live = await valuesOf(sql, id);
    expect(live.map(({ bucket, outputs }) => [bucket, outputs?.[0]])).toEqual([
      ['2026-03-01T23:58:00.000Z', 10],
      ['2026-03-01T23:59:00.000Z', 15],
      ['2026-03-02T00:00:00.000Z', 30],
      ['2026-03-02T00:01:00.000Z', 45],
      ['2026-03-02T12:00:00.000Z', 50],
    ]);
    await sql`delete from indicator.values where indicator_id = ${id}`;
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toEqual(live);
  });
});
