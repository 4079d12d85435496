import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { addIndicator, kindOf, registerKind } from '../../../tests/support/indicators.ts';
import { type Session, untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import type { Kind } from '../../../workers/indicators/kind.ts';

const maCross = kindOf('ma_cross');
const threshold: Kind = {
  kind: 'threshold',
  description: 'Close above a level',
  rule: 'Bullish above it',
  label: '{level} in {window}',
  definition: 'Made up',
  parameters: [
    { name: 'level', type: 'number', min: -1, max: 1, default: 0.5 },
    { name: 'window', type: 'integer', min: 1, max: 100, default: 5 },
    { name: 'price', type: 'choice', choices: ['high', 'low'], default: 'low' },
  ],
  columns: ['high', 'low'],
  bars: { least: [{ window: 2, plus: 1 }, { plus: 9 }], window: [{ window: 4 }, { plus: 12 }] },
  outputs: [{ name: 'above', unit: 'ratio', pane: 'own', thresholds: [0] }],
  isClosedOnly: false,
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
      select kind, params, label, bars_required, bars_window, timeframe, side
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
      bars_window: 30,
      timeframe: '1m',
      side: 'bid',
    });
    expect(
      await definitionOf(await addIndicator(sql, symbol, { level: 0.25 }, { kind: 'threshold' })),
    ).toMatchObject({
      label: '0.25 in 5',
      params: { level: 0.25, window: 5, price: 'low' },
      bars_required: 11,
      bars_window: 20,
    });
    const short = { window: 1, price: 'high' };
    expect(
      await definitionOf(await addIndicator(sql, symbol, short, { kind: 'threshold' })),
    ).toMatchObject({
      params: { level: 0.5, ...short },
      bars_required: 9,
      bars_window: 12,
    });
  });

  it('can be of every kind of the catalogue, with nothing but the defaults', async () => {
    const symbol = await addInstrument(sql);
    for (const kind of catalog.values()) {
      await registerKind(sql, { ...kind, defaults: [] });
      const id = await addIndicator(sql, symbol, {}, { kind: kind.kind });
      const params = Object.fromEntries(kind.parameters.map(each => [each.name, each.default]));
      const definition = await definitionOf(id);
      expect(definition).toMatchObject({ kind: kind.kind, params });
      expect(definition?.label).not.toContain('{');
    }
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
    await registerKind(sql, {
      ...threshold,
      label: 'T{level}',
      bars: { least: [{ window: 3 }], window: [{ window: 6 }] },
    });
    expect(await definitionOf(id)).toMatchObject({
      label: 'T0.5',
      bars_required: 15,
      bars_window: 30,
    });
    expect([...(await sql`select indicator_id from indicator.backfills`)]).toContainEqual({
      indicator_id: id,
    });
    await sql`delete from indicator.backfills`;
    await registerKind(sql, threshold);
    await registerKind(sql, threshold);
    expect(await definitionOf(id)).toMatchObject({
      label: '0.5 in 5',
      bars_required: 11,
      bars_window: 20,
    });
    expect([...(await sql`select indicator_id from indicator.backfills`)]).toContainEqual({
      indicator_id: id,
    });
    await sql`delete from indicator.backfills`;
    await registerKind(sql, threshold);
    expect([...(await sql`select indicator_id from indicator.backfills`)]).toEqual([]);
    await registerKind(sql, {
      ...threshold,
      outputs: [...threshold.outputs, { name: 'more', unit: 'count', pane: 'own' }],
    });
    const record = (outputs: string) =>
      sql`select indicator.record_values(array[${id}::int], array['2026-03-02Z'::timestamptz], array[${outputs}::text],
        '{1}', '{0.25}', '{null}', '{null}', '{null}', '{12}', '{1}')`;
    await record('{0.5,7}');
    await expect(record('{0.5}')).rejects.toMatchObject({ code: 'VALUE' });
    expect([...(await sql`select indicator_id from indicator.backfills`)]).toContainEqual({
      indicator_id: id,
    });
    await registerKind(sql, {
      ...threshold,
      parameters: [
        ...threshold.parameters,
        { name: 'late', type: 'number', min: 1, max: 2, default: 1.5 },
      ],
    });
    expect(await definitionOf(id)).toMatchObject({
      params: { level: 0.5, window: 5, price: 'low', late: 1.5 },
    });
    await registerKind(sql, threshold);
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

  for (const given of ['"middle"', '1', 'null', '["low"]', '"LOW"']) {
    it(`is refused with ${given} for a choice, and is told what there is`, async () => {
      await expect(
        sql.unsafe(`select indicator.checked_params('threshold', '{"price": ${given}}')`),
      ).rejects.toMatchObject({
        code: 'PARAM',
        message: `parameter price of threshold must be one of high, low, not ${given}`,
      });
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
      ['NOSID', `'${symbol}', '1m', 'ma_cross', '{}', 'offer'`],
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
    expect(row).toEqual({
      lowest: { level: -1, window: 100, price: 'low' },
      highest: { level: 1, window: 5, price: 'low' },
    });
  });
});

describeOnEngine('A kind', ({ sql }) => {
  beforeAll(() => registerKind(sql, threshold));

  const declared = {
    parameters: '[{"name": "p", "type": "integer", "min": 1, "max": 100, "default": 5}]',
    columns: '{close}',
    outputs: '[{"name": "x", "unit": "price", "pane": "own"}]',
    bars_required: '[{"p": 1}]',
    bars_window: '[{"p": 2, "plus": 1}]',
    closed_only: true,
  };
  const register = (change: Partial<typeof declared>, service = 'classical') => {
    const given = { ...declared, ...change };
    return sql`select indicator.register_kind(${service}, 'new_kind', '', '', '', '',
      ${given.parameters}::text::jsonb, ${given.columns}::text::text[], ${given.outputs}::text::jsonb,
      ${given.bars_required}::text::jsonb, ${given.bars_window}::text::jsonb, ${given.closed_only})`;
  };
  const parameter = (fields: string) => ({ parameters: `[{"name": "p", ${fields}}]` });
  const output = (fields: string) => ({ outputs: `[{"name": "x", ${fields}}]` });

  for (const [fault, change] of [
    ['parameters must be a JSON array', { parameters: '{}' }],
    ['the name of a parameter must be a short code', { parameters: '[{"name": "P 1"}]' }],
    [
      'the name of a parameter must be a short code and not plus',
      { parameters: '[{"name": "plus"}]' },
    ],
    ['the type of parameter p must be', parameter('"type": "date"')],
    [
      'parameter p must have numbers min, max',
      parameter('"type": "integer", "min": 1, "default": 1'),
    ],
    ['a default between them', parameter('"type": "number", "min": 1, "max": 2, "default": 3')],
    [
      'parameter p must have choices',
      parameter('"type": "choice", "choices": ["a"], "default": "b"'),
    ],
    ['parameter p must have choices', parameter('"type": "choice", "choices": [1], "default": 1')],
    [
      'parameter p can only be less_than another number, not q',
      parameter('"type": "integer", "min": 1, "max": 9, "default": 5, "less_than": "q"'),
    ],
    ['it must read at least one column', { columns: '{}' }],
    ['there is no column price; there are open, high', { columns: '{close,price}' }],
    ['it must have at least one output', { outputs: '[]' }],
    [
      'the name of an output must be a short code',
      { outputs: '[{"unit": "price", "pane": "own"}]' },
    ],
    ['the unit of output x must be price, percent', output('"unit": "dollar", "pane": "own"')],
    ['the pane of output x must be price or own', output('"unit": "price", "pane": "left"')],
    ['the pane of output x must be price or own', output('"unit": "price"')],
    [
      'the thresholds of output x must be an array of numbers',
      output('"unit": "price", "pane": "own", "thresholds": "30"'),
    ],
    ['bars_required must be an array of sums', { bars_required: '{"p": 1}' }],
    ['bars_window must be an array of sums', { bars_window: '[]' }],
    [
      'a sum of bars_window names q, which is no parameter',
      { bars_window: '[{"p": 1}, {"q": 2}]' },
    ],
    [
      'in a sum of bars_required, p must be multiplied by a number',
      { bars_required: '[{"p": "2"}]' },
    ],
    ['a sum of bars_window must be from 1 to 5000', { bars_window: '[{"p": 51}]' }],
    ['a sum of bars_required must be from 1 to 5000', { bars_required: '[{"p": 1, "plus": -1}]' }],
  ] as const) {
    it(`is refused: ${fault} (${JSON.stringify(change)})`, async () => {
      await expect(register(change)).rejects.toMatchObject({
        code: 'KINDS',
        message: expect.stringContaining(fault),
      });
      await expect(register(change)).rejects.toMatchObject({
        message: expect.stringContaining('new_kind'),
      });
    });
  }

  it('must read closed candles only where its service is told of no others', async () => {
    await sql`select indicator.register_service('only_closed', closed_only => true)`;
    await expect(register({ closed_only: false }, 'only_closed')).rejects.toMatchObject({
      code: 'KINDS',
      message: expect.stringContaining('it must be closed_only too'),
    });
    await register({}, 'only_closed');
    await sql`select indicator.remove_service('only_closed')`;
  });

  it('is shown with what it declared, and its values with the names of their outputs', async () => {
    const [kind] = await sql`
      select columns, outputs, closed_only from indicator.kinds where kind = 'threshold'`;
    expect(kind).toEqual({
      columns: ['high', 'low'],
      outputs: [{ name: 'above', unit: 'ratio', pane: 'own', thresholds: [0] }],
      closed_only: false,
    });
    const id = await addIndicator(sql, await addInstrument(sql), {}, { kind: 'threshold' });
    const latest = () => sql`
      select value, outputs, strength, forecast, reading, bars, bars_required, bars_window
      from indicator.latest where indicator_id = ${id}`;
    const output = { name: 'above', unit: 'ratio', pane: 'own', thresholds: [0] };
    const bars = { bars_required: 11, bars_window: 20 };
    expect([...(await latest())]).toEqual([
      {
        value: null,
        outputs: [{ ...output, value: null }],
        strength: null,
        forecast: null,
        reading: 'no price yet',
        bars: 0,
        ...bars,
      },
    ]);
    await sql`select indicator.record_values(array[${id}::int], array['2026-03-02Z'::timestamptz], array['{0.5}'],
      array[1]::int2[], array[0.25]::real[], array[3], array[1.5], array[2.5], array[12], array[1])`;
    expect([...(await latest())]).toEqual([
      {
        value: 0.5,
        outputs: [{ ...output, value: 0.5 }],
        strength: 0.25,
        forecast: { horizon: 3, low: 1.5, high: 2.5 },
        reading: 'bullish',
        bars: 12,
        ...bars,
      },
    ]);
  });
});

describeOnEngine('The defaults of a kind', ({ sql }) => {
  const params = { fast: 10, slow: 30 };
  const maCross = {
    ...kindOf('ma_cross'),
    defaults: ['1m', '15m'].map(timeframe => ({ timeframe, params })),
  };

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

    await sql`select indicator.remove('*', '15m', 'ma_cross')`;
    await registerKind(sql, maCross);
    expect(await labelsOf(await addInstrument(sql))).toEqual(['1m mid MA cross 10/30']);
    expect(await labelsOf(early)).toEqual(['1m mid MA cross 10/30']);
  });

  it.each(['the instrument', 'the kind'])(
    'go to an instrument that is added while the kind is registered, %s first',
    async first => {
      const kind = { ...maCross, kind: `cross_${first.length}`, label: `Cross ${first.length}` };
      await withSessions(sql, async (one, other) => {
        await one.sql`begin`;
        let symbol = '';
        const addOn = async (session: Session) => {
          symbol = await addInstrument(session.sql);
        };
        const registerOn = (session: Session) => registerKind(session.sql, kind);
        const [before, after] =
          first === 'the kind' ? [registerOn, addOn] : ([addOn, registerOn] as const);
        await before(one);
        const waiting = after(other);
        await untilBlocked(sql, other);
        await one.sql`commit`;
        await waiting;
        expect((await labelsOf(symbol)).filter(label => label.endsWith(kind.label))).toHaveLength(
          2,
        );
      });
      await sql`delete from indicator.wishes where kind = ${kind.kind}`;
    },
  );

  it('do not bring back what the operator removed when a kind is registered again', async () => {
    const symbol = await addInstrument(sql);
    await sql`select indicator.remove(indicator_id) from indicator.definitions
      where instrument_id = feed.instrument_id(${symbol})`;
    await registerKind(sql, { ...maCross, description: 'Another wording' });
    expect(await labelsOf(symbol)).toEqual([]);
    const [row] = await sql`select description from indicator.kinds where kind = 'ma_cross'`;
    expect(row).toEqual({ description: 'Another wording' });
  });

  it.each(['the instrument', 'the kind'])(
    'with the votes of a rating, which no kind declares, go to it too, %s first',
    async first => {
      const kind = {
        ...kindOf('ma_cross'),
        kind: `vote_${first.length}`,
        label: `Vote ${first.length}`,
        defaults: [],
      };
      // Those of other kinds would make one wait for the other all the same.
      await sql`delete from indicator.wishes`;
      // As a new installation has them, before any service was there.
      await sql`alter table indicator.sets disable trigger user`;
      await sql`insert into indicator.sets (set, kind, params) values ('early', ${kind.kind}, ${sql.json(params)})`;
      await sql`alter table indicator.sets enable trigger user`;
      await sql`insert into indicator.wishes (timeframe, set) values ('5m', 'early') on conflict do nothing`;
      await withSessions(sql, async (one, other) => {
        await one.sql`begin`;
        let symbol = '';
        const addOn = async (session: Session) => {
          symbol = await addInstrument(session.sql);
        };
        const registerOn = (session: Session) => registerKind(session.sql, kind);
        const [before, after] =
          first === 'the kind' ? [registerOn, addOn] : ([addOn, registerOn] as const);
        await before(one);
        const waiting = after(other);
        await untilBlocked(sql, other);
        await one.sql`commit`;
        await waiting;
        expect(await labelsOf(symbol)).toContain(`5m mid ${kind.label}`);
      });
      await sql`delete from indicator.wishes where set = 'early'`;
    },
  );
});
