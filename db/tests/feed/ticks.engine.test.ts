import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';

describeOnEngine('feed.ticks, written by hand', ({ sql }) => {
  const insert = (symbol: string, tick: string) =>
    sql.unsafe(`insert into feed.ticks (instrument_id, observed_at, seq, bid, ask, last, size, received_at)
      select feed.instrument_id('${symbol}'), ${tick}${tick.split(',').length < 7 ? ', now()' : ''}`);

  it('takes an INSERT and marks the minute that it changed', async () => {
    const symbol = await addInstrument(sql);
    await insert(symbol, `'2026-03-02 10:00:30.5Z', 0, 1, 2, null, null`);
    const marks = await sql`
      select minute, changed_from, changed_to from outbox.changes
      where instrument_id = feed.instrument_id(${symbol})`;
    expect([...marks]).toEqual([
      {
        minute: '2026-03-02 10:00:00+00',
        changed_from: '2026-03-02 10:00:30.5+00',
        changed_to: '2026-03-02 10:00:30.5+00',
      },
    ]);
  });

  it('refuses a tick of the future', async () => {
    const symbol = await addInstrument(sql);
    await expect(
      insert(symbol, `clock_timestamp() + interval '1 minute', 0, 1, 2, null, null`),
    ).rejects.toMatchObject({ code: 'FUTUR' });
  });

  for (const tick of ['-2, 1, null, null', '1, 0, null, null', `1, 2, '-0', null`]) {
    it(`refuses a price of zero or below, unless the instrument has such: ${tick}`, async () => {
      const symbol = await addInstrument(sql);
      const row = `'2026-03-02Z', 0, ${tick}`;
      await expect(insert(symbol, row)).rejects.toMatchObject({
        code: 'NEGAT',
        message: expect.stringContaining(symbol),
        hint: expect.stringContaining(`'${symbol}'`),
      });
      await sql`update feed.instruments set allows_negative = true where symbol = ${symbol}`;
      await insert(symbol, row);
    });
  }

  it('takes the largest prices and sizes that are allowed, and has candles of them', async () => {
    const symbol = await addInstrument(sql);
    const large = '9.99e14, 9.99e14, 9.99e14, 9.99e17';
    for (const second of [1, 2])
      await insert(symbol, `'2026-03-02 10:00:0${second}Z', 0, ${large}`);
    const [candle] = await sql`select sum, volume from feed.candles(${symbol}, '1d', 'mid')`;
    expect(candle).toEqual({ sum: 2 * 9.99e14, volume: 2 * 9.99e17 });
  });

  it('refuses an instrument that does not exist', async () => {
    await expect(
      sql`insert into feed.ticks (instrument_id, observed_at, bid) values (2000000000, '2026-03-02Z', 1)`,
    ).rejects.toMatchObject({ code: 'NOINS' });
  });

  for (const [tick, constraint] of [
    [`'2026-03-02Z', 0, 'NaN', 2, null, null`, 'bid_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, 1e15, 1, null, null`, 'bid_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, -1e15, 1, null, null`, 'bid_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, 1, 1e308, null, null`, 'ask_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, null, null, 'infinity', null`, 'last_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, null, null, '-infinity', null`, 'last_is_between_minus_1e15_and_1e15'],
    [`'2026-03-02Z', 0, null, null, 1, -1`, 'size_is_from_0_to_below_1e18'],
    [`'2026-03-02Z', 0, 1, 2, 1, 1e18`, 'size_is_from_0_to_below_1e18'],
    [`'2026-03-02Z', 0, null, null, 1, 'NaN'`, 'size_is_from_0_to_below_1e18'],
    [`'2026-03-02Z', 0, null, null, null, 1`, 'tick_has_a_price'],
    [`'2026-03-02Z', -1000000001, 1, 2, null, null`, 'seq_is_an_id_or_a_place'],
    [`'2100-01-01Z', 0, 1, 2, null, null`, 'observed_at_is_from_1970_to_2100'],
    [`'1969-12-31Z', 0, 1, 2, null, null`, 'observed_at_is_from_1970_to_2100'],
    [`'2026-03-02Z', 0, 1, 2, null, null, 'infinity'`, 'received_at_is_from_1970_to_2100'],
    [`'2026-03-02Z', 0, 1, 2, null, null, '-infinity'`, 'received_at_is_from_1970_to_2100'],
  ] as const) {
    it(`refuses (${tick}) by the constraint ${constraint}`, async () => {
      const symbol = await addInstrument(sql);
      await expect(insert(symbol, tick)).rejects.toMatchObject({
        code: '23514',
        constraint_name: constraint,
      });
    });
  }

  it('refuses UPDATE, DELETE, TRUNCATE and an upsert, also when they meet no tick', async () => {
    const symbol = await addInstrument(sql);
    await insert(symbol, `'2026-03-02 10:00Z', 0, 1, 2, null, null`);
    for (const statement of [
      'update feed.ticks set bid = 2',
      'delete from feed.ticks where false',
      'truncate feed.ticks',
      `insert into feed.ticks as t (instrument_id, observed_at, bid)
       select i.instrument_id, '2026-03-02 10:00Z', 3 from feed.instruments as i
       on conflict (instrument_id, observed_at, seq) do update set bid = excluded.bid`,
    ]) {
      await expect(sql.unsafe(statement), statement).rejects.toMatchObject({ code: 'FACTS' });
    }
  });
});
