import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, subscribe } from '../../../tests/support/outbox.ts';
import { ticksOf } from '../../../tests/support/tick_series.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

/** A time of a day in March 2026. */
function on(day: number, time = '12:00:00'): string {
  return `2026-03-0${day}T${time}Z`;
}

describeOnEngine('feed.storage', ({ sql, engine }) => {
  const feed = createFeed(sql);

  const set = (level: string, change: string) =>
    sql.unsafe(`update feed.storage set ${change} where level = '${level}'`);

  it('has a row for the ticks and one per timeframe, also a new one', async () => {
    await sql`select feed.add_timeframe('2h')`;
    const levels = await sql<{ level: string }[]>`
      select level from feed.storage where timeframe is not null or level = 'ticks' order by level`;
    const timeframes = await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes`;
    expect(levels.map(row => row.level)).toEqual(
      ['ticks', ...timeframes.map(row => row.timeframe)].sort(),
    );
    await sql`select feed.remove_timeframe('2h')`;
    expect([...(await sql`select from feed.storage where level = '2h'`)]).toEqual([]);
  });

  for (const [level, change, code] of [
    ['ticks', `retain_for = '47 hours'`, '23514'],
    ['ticks', `compress_after = '23 hours'`, '23514'],
    ['1m', `retain_for = '30 days'`, 'STORE'],
    ['1s', `retain_for = '30 days'`, 'STORE'],
    ['ticks', `dropped_to = '2020-01-01Z'`, '23514'],
    ['ticks', `floor_at = '2100-01-01Z'`, 'STORE'],
    ['1m', `floor_at = 'infinity'`, 'STORE'],
  ] as const) {
    it(`refuses ${change} of ${level}`, async () => {
      await expect(set(level, change)).rejects.toMatchObject({ code });
    });
  }

  it('loses no level but with its timeframe', async () => {
    for (const statement of [
      'delete from feed.storage',
      `delete from feed.storage where level = '1m'`,
      `delete from feed.storage where level = 'ticks'`,
      'truncate feed.storage',
    ]) {
      await expect(sql.unsafe(statement), statement).rejects.toMatchObject({ code: 'STORE' });
    }
  });

  it('lets one statement change several levels, and no floor go back', async () => {
    await sql.unsafe(
      `update feed.storage set retain_for = '400 days' where level in ('ticks', '1s', '1m')`,
    );
    await expect(set('1s', `retain_for = '401 days'`)).rejects.toMatchObject({ code: 'STORE' });
    await sql`update feed.storage set floor_at = '2001-01-01Z' where level = 'ticks'`;
    await expect(set('ticks', `floor_at = '2000-12-31Z'`)).rejects.toMatchObject({ code: 'STORE' });
    await sql.unsafe(`update feed.storage set retain_for = null`);
  });

  it('takes late ticks into compressed ticks and candles, and tells of them', async () => {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol);
    const ticks = ticksOf(symbol, 500, { from: on(2) });
    await feed.recordTicks('manual', ticks);
    await sql`call feed.advance_candles()`;
    await capture(sql);
    await sql.unsafe(`update feed.storage set compress_after = '7 days'`);
    await sql`call ops.apply_storage()`;
    if (engine === 'timescaledb') {
      const [row] = await sql`
        select count(*) filter (where is_compressed)::int > 1 as is_compressed from timescaledb_information.chunks`;
      expect(row).toEqual({ is_compressed: true });
    }
    await expectCandlesOf(sql, symbol, ticks);
    const before = await capturedOf(sql, symbol);
    const late = ticksOf(symbol, 40, { from: on(2, '12:03:00.5'), base: 1.3 });
    await feed.recordTicks('manual', late);
    await capture(sql);
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
    const after = await capturedOf(sql, symbol);
    const bucket = on(2, '12:03:00.000');
    const revisionIn = (candles: typeof after) =>
      candles.find(candle => candle.bucket === bucket)?.revision ?? 0;
    expect(revisionIn(after)).toBeGreaterThan(revisionIn(before));
    // What they uncompressed is compressed again.
    await sql`call ops.apply_storage()`;
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
    await sql.unsafe(`update feed.storage set compress_after = null where level <> 'ticks'`);
  });
});
