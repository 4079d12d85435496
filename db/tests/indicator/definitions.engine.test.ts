import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, kindOf, registerKind } from '../../../tests/support/indicators.ts';
import type { Kind } from '../../../workers/indicators/kind.ts';

const maCross = kindOf('ma_cross');
const threshold: Kind = {
  kind: 'threshold',
  description: 'Close above a level',
  rule: 'Bullish above it',
  label: '{level} in {window}',
  parameters: [
    { name: 'level', type: 'number', min: -1, max: 1, default: 0.5 },
    { name: 'window', type: 'integer', min: 1, max: 100, default: 5 },
  ],
  bars: { window: 2, plus: 1 },
  defaults: [],
  compute: () => null,
};

describeOnEngine('An indicator', ({ sql }) => {
  beforeAll(async () => {
    await registerKind(sql, { ...maCross, defaults: [] });
    await registerKind(sql, threshold);
  });

  async function definitionOf(id: number) {
    const [row] = await sql`
      select kind, params, label, bars_required, timeframe, side
      from indicator.definitions where indicator_id = ${id}`;
    return row;
  }

  it('gets the parameters that were left out, its label and the length of its window', async () => {
    const symbol = await addInstrument(sql);
    expect(await definitionOf(await addIndicator(sql, symbol, { fast: 5 }))).toEqual({
      kind: 'ma_cross',
      params: { fast: 5, slow: 30 },
      label: 'MA cross 5/30',
      bars_required: 30,
      timeframe: '1m',
      side: 'bid',
    });
    expect(
      await definitionOf(await addIndicator(sql, symbol, { level: 0.25 }, { kind: 'threshold' })),
    ).toMatchObject({ label: '0.25 in 5', bars_required: 11 });
  });

  it('is the same one when it is added again, however its numbers are written', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 10, slow: 30 });
    expect(await addIndicator(sql, symbol, {})).toBe(id);
    const [row] = await sql`
      select indicator.add(${symbol}, '1m', 'ma_cross', '{"slow": 30.0, "fast": 1e1}', 'bid') as id`;
    expect(row).toEqual({ id });
    expect(await addIndicator(sql, symbol, { slow: 31 })).not.toBe(id);
  });

  it('is subscribed to its candles, and asks for its history', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, {});
    const filters = await sql`
      select f.timeframe, f.side from outbox.filters as f join outbox.subscriptions as s using (subscription_id)
      where s.name = 'indicators.classical' and f.instrument_id = feed.instrument_id(${symbol})`;
    expect([...filters]).toEqual([{ timeframe: '1m', side: 'bid' }]);
    const backfills =
      await sql`select next_bucket from indicator.backfills where indicator_id = ${id}`;
    expect([...backfills]).toEqual([{ next_bucket: '-infinity' }]);
  });

  it('is unsubscribed only when it was the last one of its candles', async () => {
    const symbol = await addInstrument(sql);
    const [one, other] = [
      await addIndicator(sql, symbol, {}),
      await addIndicator(sql, symbol, { slow: 40 }),
    ];
    const filters = () =>
      sql`select from outbox.filters where instrument_id = feed.instrument_id(${symbol})`;
    const remove = (id: number) => sql`select indicator.remove(${id}) as was_there`;
    expect([...(await remove(one))]).toEqual([{ was_there: true }]);
    expect(await filters()).toHaveLength(1);
    await remove(other);
    expect(await filters()).toHaveLength(0);
    expect([...(await remove(other))]).toEqual([{ was_there: false }]);
  });

  it('gets another window and label, and is computed again, when its kind changes', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, {}, { kind: 'threshold' });
    await sql`delete from indicator.backfills`;
    await registerKind(sql, { ...threshold, label: 'T{level}', bars: { window: 3 } });
    expect(await definitionOf(id)).toMatchObject({ label: 'T0.5', bars_required: 15 });
    expect([...(await sql`select indicator_id from indicator.backfills`)]).toContainEqual({
      indicator_id: id,
    });
    await sql`delete from indicator.backfills`;
    await registerKind(sql, threshold);
    await registerKind(sql, threshold);
    expect(await definitionOf(id)).toMatchObject({ label: '0.5 in 5', bars_required: 11 });
  });

  for (const [fault, params] of [
    ['a parameter below its bounds', '{"fast": 0}'],
    ['a parameter above its bounds', '{"slow": 501}'],
    ['a parameter that is far out of bounds', '{"slow": 1e300}'],
    ['a fraction for a whole number', '{"fast": 1.5}'],
    ['a text for a number', '{"fast": "10"}'],
    ['a null for a number', '{"fast": null}'],
    ['a list for a number', '{"fast": [10]}'],
    ['a parameter that there is not', '{"fastest": 10}'],
    ['fast as long as slow', '{"fast": 30}'],
    ['fast longer than the default of slow', '{"fast": 31}'],
    ['a list for the parameters', '[10, 30]'],
    ['a number for the parameters', '10'],
    ['null for the parameters', 'null'],
  ] as const) {
    it(`is refused with ${fault}`, async () => {
      const symbol = await addInstrument(sql);
      await expect(
        sql`select indicator.add(${symbol}, '1m', 'ma_cross', ${params}::text::jsonb)`,
      ).rejects.toMatchObject({ code: 'PARAM' });
      await expect(
        sql`select indicator.checked_params('ma_cross', ${params}::text::jsonb)`,
      ).rejects.toMatchObject({ code: 'PARAM' });
    });
  }

  it('is refused with absent parameters', async () => {
    await expect(sql`select indicator.checked_params('ma_cross', null)`).rejects.toMatchObject({
      code: 'PARAM',
    });
  });

  it('is refused for an unknown instrument, timeframe, kind or side', async () => {
    const symbol = await addInstrument(sql);
    for (const [code, args] of [
      ['NOINS', `'NOBODY', '1m', 'ma_cross'`],
      ['NOTFR', `'${symbol}', '2m', 'ma_cross'`],
      ['NOKIN', `'${symbol}', '1m', 'crystal_ball'`],
      ['NOKIN', `'${symbol}', '1m', null`],
      ['23514', `'${symbol}', '1m', 'ma_cross', '{}', 'offer'`],
    ] as const) {
      await expect(sql.unsafe(`select indicator.add(${args})`), args).rejects.toMatchObject({
        code,
      });
    }
    expect(
      await sql`select from indicator.definitions where instrument_id = feed.instrument_id(${symbol})`,
    ).toHaveLength(0);
  });

  it('takes a number with a fraction where its kind does, at the bounds too', async () => {
    const [row] = await sql`
      select indicator.checked_params('threshold', '{"level": -1, "window": 100}') as lowest,
        indicator.checked_params('threshold', '{"level": 1.0}') as highest`;
    expect(row).toEqual({ lowest: { level: -1, window: 100 }, highest: { level: 1, window: 5 } });
  });
});

describeOnEngine('The defaults of a kind', ({ sql }) => {
  const labelsOf = async (symbol: string) => {
    const rows = await sql<{ label: string }[]>`
      select timeframe || ' ' || side || ' ' || label as label from indicator.definitions
      where instrument_id = feed.instrument_id(${symbol}) order by 1`;
    return rows.map(row => row.label);
  };

  it('go to the instruments there are and to new ones, once, and are the operator’s from then on', async () => {
    const early = await addInstrument(sql);
    await registerKind(sql, maCross);
    const late = await addInstrument(sql);
    const expected = ['15m mid MA cross 10/30', '1m mid MA cross 10/30'];
    expect(await labelsOf(early)).toEqual(expected);
    expect(await labelsOf(late)).toEqual(expected);

    await sql`delete from indicator.defaults where timeframe = '15m'`;
    await registerKind(sql, maCross);
    expect(await labelsOf(await addInstrument(sql))).toEqual(['1m mid MA cross 10/30']);
    expect(await labelsOf(early)).toEqual(expected);
  });

  it('are given again by indicator.add_defaults without doubling them', async () => {
    const symbol = await addInstrument(sql);
    const [row] = await sql`select indicator.add_defaults(${symbol})`;
    expect(row).toEqual({ add_defaults: 1 });
    expect(await labelsOf(symbol)).toHaveLength(1);
  });

  it('do not bring back what the operator removed when a kind is registered again', async () => {
    const symbol = await addInstrument(sql);
    await sql`select indicator.remove(indicator_id) from indicator.definitions
      where instrument_id = feed.instrument_id(${symbol})`;
    await registerKind(sql, { ...maCross, description: 'Another wording' });
    expect(await labelsOf(symbol)).toEqual([]);
    const [row] = await sql`select description from indicator.kinds where kind = 'ma_cross'`;
    expect(row).toEqual({ description: 'Another wording' });
  });
});
