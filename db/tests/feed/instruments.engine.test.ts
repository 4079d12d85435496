import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { at, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('An instrument', ({ sql }) => {
  const feed = createFeed(sql);

  async function priced(): Promise<string> {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    return symbol;
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
