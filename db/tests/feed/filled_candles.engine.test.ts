import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('feed.filled_candles', ({ sql }) => {
  const feed = createFeed(sql);

  async function pricesAt(times: Record<string, number>, source = 'manual'): Promise<string> {
    const symbol = await addInstrument(sql, source);
    await feed.recordTicks(
      source,
      Object.entries(times).map(([time, bid]) => tickOf(symbol, at(time), { bid, size: 2 })),
    );
    return symbol;
  }

  async function filled(symbol: string, from: string, to: string, timeframe = '1m') {
    const rows = await sql<Record<string, unknown>[]>`
      select to_char(bucket, 'HH24:MI') as bucket, open, high, low, close, average, sum, volume, tick_count::int,
        is_closed, filled
      from feed.filled_candles(${symbol}, ${timeframe}, 'bid', ${from}::text::timestamptz, ${to}::text::timestamptz)`;
    return rows.map(row => ({ ...row }));
  }

  const brief = (rows: Record<string, unknown>[]) =>
    rows.map(row => `${row.bucket} ${row.close} ${row.tick_count} ${row.filled}`);

  it('has a row per bucket: candles as they are, and the last close where no tick came', async () => {
    const symbol = await pricesAt({ '10:00:00': 1, '10:00:30': 3, '10:03:00': 5 });
    const rows = await filled(symbol, at('10:00:00'), at('10:05:00'));
    expect(brief(rows)).toEqual([
      '10:00 3 2 null',
      '10:01 3 0 gap',
      '10:02 3 0 gap',
      '10:03 5 1 null',
      '10:04 5 0 gap',
    ]);
    const [candle] = await sql`
      select open, high, low, close, average, sum, volume, tick_count::int, is_closed from feed.candles(${symbol}, '1m', 'bid') limit 1`;
    expect(rows[0]).toEqual({ bucket: '10:00', ...candle, filled: null });
    expect(rows[1]).toEqual({
      bucket: '10:01',
      open: 3,
      high: 3,
      low: 3,
      close: 3,
      average: 3,
      sum: 0,
      volume: null,
      tick_count: 0,
      is_closed: true,
      filled: 'gap',
    });
  });

  it('begins with the close from before its range, and never before the first candle', async () => {
    const symbol = await pricesAt({ '10:00:00': 1, '13:00:00': 2 });
    expect(brief(await filled(symbol, at('12:58:30'), at('13:01:00')))).toEqual([
      '12:58 1 0 gap',
      '12:59 1 0 gap',
      '13:00 2 1 null',
    ]);
    expect(brief(await filled(symbol, '-infinity', at('10:02:00')))).toEqual([
      '10:00 1 1 null',
      '10:01 1 0 gap',
    ]);
    // However many buckets lie between.
    expect(brief(await filled(symbol, at('12:59:58'), at('13:00:01'), '1s'))).toEqual([
      '12:59 1 0 gap',
      '12:59 1 0 gap',
      '13:00 2 1 null',
    ]);
  });

  it('tells no tick from a gap by when we listened', async () => {
    const symbol = await pricesAt({ '10:00:00': 1, '10:07:00': 2 }, 'replay');
    for (const [from, to] of [
      ['10:00:30', '10:03:00'],
      ['10:03:00', '10:04:30'],
      ['10:05:00', '10:07:00'],
    ] as const) {
      await feed.extendCoverage('replay', [{ symbol, from: at(from), to: at(to), cause: null }]);
    }
    // Of another instrument of the source, and of another source.
    const other = await addInstrument(sql, 'replay');
    const all = { from: at('10:00:00'), to: at('10:08:00'), cause: null };
    await feed.extendCoverage('replay', [{ symbol: other, ...all }]);
    await feed.extendCoverage('manual', [{ symbol, ...all }]);
    expect((await filled(symbol, at('10:00:00'), at('10:08:00'))).map(row => row.filled)).toEqual([
      null,
      'no_tick',
      'no_tick',
      'no_tick',
      'gap',
      'no_tick',
      'no_tick',
      null,
    ]);
  });

  it('has the forming bucket, which is no gap while we listen', async () => {
    const symbol = await addInstrument(sql, 'simulated');
    await sql`insert into feed.ticks (instrument_id, observed_at, bid)
      values (feed.instrument_id(${symbol}), now() - interval '3 days', 7)`;
    await sql`select feed.extend_coverage('simulated', array[${symbol}],
      array[now() - interval '4 days'], array[now() - interval '4 seconds'])`;
    const rows = await sql`
      select close, filled, is_closed from feed.filled_candles(${symbol}, '1d', 'bid', now() - interval '1 day')`;
    expect([...rows]).toEqual([
      { close: 7, filled: 'no_tick', is_closed: true },
      { close: 7, filled: 'no_tick', is_closed: false },
    ]);
  });

  it('is empty without any candle', async () => {
    expect(await filled(await addInstrument(sql), at('10:00:00'), at('10:05:00'))).toEqual([]);
  });

  it('refuses a range of more than 100,000 candles, an unknown symbol, timeframe or side', async () => {
    const symbol = await pricesAt({ '10:00:00': 1 });
    const call = (args: string) => sql.unsafe(`select feed.filled_candles(${args})`);
    await expect(
      call(`'${symbol}', '1s', 'bid', '-infinity', '2026-03-04Z'`),
    ).rejects.toMatchObject({
      code: 'RANGE',
    });
    await expect(call(`'NOBODY', '1s', 'bid', now()`)).rejects.toMatchObject({ code: 'NOINS' });
    await expect(call(`'${symbol}', '7s', 'bid', now()`)).rejects.toMatchObject({ code: 'NOTFR' });
    await expect(call(`'${symbol}', '1m', 'offer', now()`)).rejects.toMatchObject({
      code: 'NOSID',
    });
  });
});
