import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../../../tests/support/indicators.ts';
import { at, secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('An instrument', ({ sql }) => {
  const feed = createFeed(sql);

  async function priced(): Promise<string> {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    return symbol;
  }

  const idOf = async (symbol: string): Promise<number> => {
    const [row] = await sql<{ id: number }[]>`select feed.instrument_id(${symbol}) as id`;
    return row?.id ?? 0;
  };

  const recordOne = (symbol: string) =>
    feed.recordTicks('manual', [tickOf(symbol, at('11:00:00'), { bid: 5 })]);

  /** What there is of an instrument and its indicator, at each step of the way. */
  async function rowsOf(symbol: string, indicatorId: number): Promise<Record<string, unknown[]>> {
    const id = await idOf(symbol);
    const timeframes = await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes`;
    const rows: Record<string, Iterable<unknown>> = {
      ticks:
        await sql`select * from feed.ticks where instrument_id = ${id} order by observed_at, seq`,
      coverage: await sql`select * from feed.coverage where instrument_id = ${id}`,
      rejected: await sql`select * from feed.rejected_ticks where symbol = ${symbol}`,
      captured:
        await sql`select * from outbox.candles where instrument_id = ${id} order by timeframe, side, bucket`,
      filters: await sql`select * from outbox.filters where instrument_id = ${id}`,
      values:
        await sql`select * from indicator.values where indicator_id = ${indicatorId} order by bucket`,
      verdicts:
        await sql`select * from indicator.verdicts where indicator_id = ${indicatorId} order by bucket, revision`,
    };
    for (const { timeframe } of timeframes) {
      rows[timeframe] =
        await sql`select * from feed.candles(${symbol}, ${timeframe}, 'bid', '2026-01-01Z', '2026-12-31Z')`;
    }
    return Object.fromEntries(Object.entries(rows).map(([name, each]) => [name, [...each]]));
  }

  /** The tables and views that still have something under this id or symbol. */
  async function tablesWith(id: number, symbol: string): Promise<string[]> {
    const columns = await sql<{ name: string; column: string }[]>`
      select c.oid::regclass::text as name, a.attname as column
      from pg_class as c join pg_attribute as a on a.attrelid = c.oid
      where c.relnamespace = any ('{feed,outbox,indicator,ops}'::regnamespace[]) and c.relkind in ('r', 'p', 'v')
        and a.attname in ('instrument_id', 'symbol') and a.attnum > 0`;
    const found: string[] = [];
    for (const { name, column } of columns) {
      const value = column === 'symbol' ? symbol : id;
      const [row] = await sql.unsafe(`select from ${name} where ${column} = $1 limit 1`, [value]);
      if (row !== undefined) found.push(`${name}.${column}`);
    }
    return found;
  }

  it('with ticks is not removed, and stays with its source', async () => {
    const symbol = await priced();
    await expect(sql`delete from feed.instruments where symbol = ${symbol}`).rejects.toMatchObject({
      code: 'FACTS',
      hint: expect.stringContaining(`'${symbol}'`),
    });
    await expect(sql`truncate feed.instruments cascade`).rejects.toMatchObject({ code: 'FACTS' });
    await expect(
      sql`update feed.instruments set source = 'replay' where symbol = ${symbol}`,
    ).rejects.toMatchObject({ code: 'SRCIN' });
    await sql`update feed.instruments set source = source, is_active = false, description = 'hidden'
      where symbol = ${symbol}`;
    const [row] = await sql`
      select i.source, i.description, count(*)::int from feed.instruments as i join feed.ticks using (instrument_id)
      where i.symbol = ${symbol} group by i.instrument_id`;
    expect(row).toEqual({ source: 'manual', description: 'hidden', count: 1 });
  });

  it('without ticks may be given to another source, and removed', async () => {
    const symbol = await addInstrument(sql);
    await sql`update feed.instruments set source = 'replay' where symbol = ${symbol}`;
    await sql`delete from feed.instruments where symbol = ${symbol}`;
    await expect(sql`select feed.instrument_id(${symbol})`).rejects.toMatchObject({
      code: 'NOINS',
    });
  });

  it('is removed with all that was made of it, and nothing else is', async () => {
    const gone = await priced();
    const stays = await priced();
    await registerCatalog(sql);
    const ids: number[] = [];
    for (const symbol of [gone, stays]) {
      ids.push(await addIndicator(sql, symbol, { fast: 1, slow: 2 }));
      const ticks = Array.from({ length: 300 }, (_, n) =>
        tickOf(symbol, secondsAfter(40 * n), { bid: 1 + (n % 7), ask: 9 }),
      );
      await feed.recordTicks('manual', [...ticks, tickOf(symbol, at('10:00:30'), { bid: -1 })]);
      await sql`select feed.extend_coverage('manual', array[${symbol}], array['2026-03-02T10:00Z']::timestamptz[], array['2026-03-02T12:00Z']::timestamptz[])`;
    }
    await sql`select outbox.subscribe('both', 'both', symbols => ${[gone, stays]}::text[], from_time => '2026-01-01Z')`;
    await catchUp(sql);
    await sql`call feed.advance_candles()`;
    const others = () => rowsOf(stays, ids[1] ?? 0);
    const before = await others();
    const id = await idOf(gone);
    expect(
      Object.values(await rowsOf(gone, ids[0] ?? 0)).filter(rows => rows.length === 0),
    ).toEqual([]);

    await expect(sql`call feed.remove_instrument(${gone})`).rejects.toMatchObject({
      code: 'INUSE',
      message: `the instrument ${gone} is active: its prices come in`,
    });
    await sql`update feed.instruments set is_active = false where symbol = ${gone}`;
    await sql`select outbox.subscribe('only-it', 'only-it', ${gone}::text)`;
    await expect(sql`call feed.remove_instrument(${gone})`).rejects.toMatchObject({
      code: 'INUSE',
      message: expect.stringMatching(/only-it$/),
    });
    await sql`select outbox.unsubscribe('only-it')`;
    await sql`call feed.remove_instrument(${gone})`;

    expect(await others()).toEqual(before);
    expect(await tablesWith(id, gone)).toEqual([]);
    await expect(sql`call feed.remove_instrument(${gone})`).rejects.toMatchObject({
      code: 'NOINS',
    });
    expect(await recordOne(gone)).toMatchObject({ stored: 0, rejected: 1 });
    // Of its next life nothing of the former is seen.
    await sql`select feed.add_instrument(${gone})`;
    expect(await recordOne(gone)).toMatchObject({ stored: 1 });
    await capture(sql);
    const [{ count } = { count: 0 }] = await sql<{ count: number }[]>`
      select count(*)::int from feed.candles(${gone}, '1m', 'bid', '2026-01-01Z', '2026-12-31Z')`;
    expect(count).toBe(1);
  });

  it('whose removal was interrupted is told, out of sight, and its removal goes on', async () => {
    const symbol = await priced();
    const id = await idOf(symbol);
    await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
    await sql`insert into feed.removals (instrument_id, symbol, requested_at) values (${id}, ${symbol}, now() - interval '1 hour')`;
    const faults = async () =>
      (await sql<{ fault: string }[]>`select fault from feed.faults`).map(row => row.fault);
    expect(await faults()).toContain(
      `the instrument ${symbol} was removed, and not all that was made of it is gone: call feed.remove_instrument('${symbol}')`,
    );
    await sql`delete from feed.instruments where symbol = ${symbol}`;
    await sql`select feed.add_instrument(${symbol})`;
    await sql`call feed.remove_instrument(${symbol})`;
    expect(await tablesWith(id, 'no symbol')).toEqual([]);
    expect((await faults()).filter(fault => fault.includes(symbol))).toEqual([]);
    expect(await idOf(symbol)).not.toBe(id);
  });

  it('that is asked for again is shown as is said now, and what is not said stays', async () => {
    const symbol = await addInstrument(sql);
    const shown = async () => {
      const [row] = await sql`
        select description, price_precision, is_active from feed.instruments where symbol = ${symbol}`;
      return row;
    };
    const told = { description: '', price_precision: 5, is_active: true };
    expect(await shown()).toEqual(told);
    await sql`select feed.add_instrument(${symbol}, price_precision => 8)`;
    expect(await shown()).toEqual({ ...told, price_precision: 8 });
    await sql`select feed.add_instrument(${symbol}, description => 'Dogs', is_active => false)`;
    await sql`update feed.instruments set is_active = false where symbol = ${symbol}`;
    const dogs = { description: 'Dogs', price_precision: 8 };
    expect(await shown()).toEqual({ ...dogs, is_active: false });
    await sql`select feed.add_instrument(${symbol})`;
    expect(await shown()).toEqual({ ...dogs, is_active: true });
    // The process of a source does so at each start.
    await feed.addInstrument('manual', { symbol, description: 'Cats', pricePrecision: 2 });
    expect(await shown()).toEqual({ ...dogs, is_active: true });
    await sql`select feed.add_instrument(${symbol}, 'manual', 'Cats', 0)`;
    expect(await shown()).toEqual({ ...told, description: 'Cats', price_precision: 0 });
    for (const precision of [-1, 13]) {
      await expect(
        sql`select feed.add_instrument(${symbol}, price_precision => ${precision})`,
      ).rejects.toMatchObject({
        code: '23514',
        constraint_name: 'price_precision_is_from_0_to_12',
      });
    }
    expect(await shown()).toEqual({ ...told, description: 'Cats', price_precision: 0 });
  });

  it.each(['\u202Etxt.exe', '\u200Bnothing', 'a\nb', '\u2066b', '\uFEFF', '\u061C', '\u2028'])(
    'is not described as %j',
    async description => {
      await expect(
        sql`select feed.add_instrument('DESCRIBED', 'manual', ${description})`,
      ).rejects.toMatchObject({ code: '23514', constraint_name: 'description_is_printable' });
    },
  );

  it.each(['Euro against US dollar', 'Öl – 北海ブレント', 'ذهب', ''])(
    'may be described as %j',
    async description => {
      const symbol = await addInstrument(sql);
      await sql`update feed.instruments set description = ${description} where symbol = ${symbol}`;
    },
  );
});
