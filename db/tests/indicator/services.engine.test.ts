import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine, testLogger } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  kindOf,
  publish,
  registerCatalog,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import { createServiceStore } from '../../../workers/indicators/service.ts';
import { computeValuesTask } from '../../../workers/indicators/tasks/compute_values.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

/** A kind that says no more than it has to. */
const blank = `'', '', '', '', '[]', '{close}', '[{"name": "x", "unit": "price", "pane": "own"}]', '[{"plus": 1}]'`;

describeOnEngine('A service', ({ sql }) => {
  const feed = createFeed(sql);
  const maCross = kindOf('ma_cross');
  const python = createServiceStore(sql, 'python');
  const ownSignal = new AbortController().signal;
  const computeOurs = computeValuesTask({
    service: 'classical',
    store: createServiceStore(sql, 'classical'),
    kinds: catalog,
    logger: testLogger,
    signal: ownSignal,
  });

  beforeAll(async () => {
    await registerCatalog(sql);
    await python.register({
      service: 'python',
      description: 'Of another language',
      isClosedOnly: false,
      kinds: [{ ...maCross, kind: 'python_model', defaults: [] }],
    });
  });

  async function countOf(table: 'pending' | 'backfills'): Promise<Record<string, number>> {
    const rows = await sql<{ service: string; count: number }[]>`
      select service, count(*)::int as count from indicator.${sql(table)} group by service`;
    return Object.fromEntries(rows.map(row => [row.service, row.count]));
  }

  const record = (symbol: string, minutes: readonly number[]) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute => tickOf(symbol, secondsAfter(minute * 60), { bid: 1 + minute })),
    );

  it('has its own work: nobody else computes it, delays it or strikes it off', async () => {
    const symbol = await addInstrument(sql);
    const params = { fast: 1, slow: 2 };
    const theirs = await addIndicator(sql, symbol, params, { kind: 'python_model' });
    const ours = await addIndicator(sql, symbol, params);
    await record(symbol, [0, 1, 2]);
    const published = await publish(sql);
    expect(new Set(published.map(each => each.subscription))).toEqual(
      new Set(['indicators.classical', 'indicators.python']),
    );
    const own = published.filter(each => each.subscription === 'indicators.python');
    expect(await python.acceptCandles(own)).toBe(3);
    expect(await accept(sql, published)).toBe(3);
    expect(await countOf('pending')).toEqual({ classical: 3, python: 3 });
    expect(await countOf('backfills')).toEqual({ classical: 1, python: 1 });

    await computeOurs();
    expect(await valuesOf(sql, ours)).toHaveLength(3);
    expect(await valuesOf(sql, theirs)).toEqual([]);
    expect(await countOf('pending')).toEqual({ python: 3 });
    expect(await countOf('backfills')).toEqual({ python: 1 });

    const [work] = await python.claimPending(500);
    expect(work?.workIds).toHaveLength(3);
    expect(work?.indicators.map(each => each.indicator_id)).toEqual([theirs]);
    await python.finishPending(work?.workIds ?? []);
    const history = await python.claimBackfill(500);
    expect(history?.indicators.map(each => each.indicator_id)).toEqual([theirs]);
    if (history !== undefined) await python.finishBackfill(history, history.toBucket);
    expect(await python.claimBackfill(500)).toBeUndefined();
    expect(await countOf('pending')).toEqual({});
    expect(await countOf('backfills')).toEqual({});
  });

  it('is told only about the candles of its own indicators', async () => {
    const symbol = await addInstrument(sql);
    const ours = await addIndicator(sql, symbol, {});
    const theirs = await addIndicator(sql, symbol, {}, { kind: 'python_model', timeframe: '5m' });
    const filters = async () => [
      ...(await sql`
        select s.name, s.queue, f.timeframe from outbox.filters as f
        join outbox.subscriptions as s using (subscription_id)
        where f.instrument_id = feed.instrument_id(${symbol}) order by s.name`),
    ];
    const classical = { name: 'indicators.classical', queue: 'foresight-classical' };
    const other = { name: 'indicators.python', queue: 'foresight-python' };
    expect(await filters()).toEqual([
      { ...classical, timeframe: '1m' },
      { ...other, timeframe: '5m' },
    ]);
    await sql`select indicator.remove(${ours})`;
    expect(await filters()).toEqual([{ ...other, timeframe: '5m' }]);
    await sql`select indicator.remove(${theirs})`;
    expect(await filters()).toEqual([]);
  });

  it('leases its histories, and computes them in turn', async () => {
    await computeAll(sql);
    const store = createServiceStore(sql, 'classical');
    const ids: number[] = [];
    for (let count = 0; count < 3; count++) {
      const symbol = await addInstrument(sql);
      ids.push(await addIndicator(sql, symbol, { fast: 1, slow: 2 }));
      await record(symbol, [0, 1, 2, 3, 4, 5]);
    }
    const turn = async () => {
      const work = await store.claimBackfill(2);
      if (work === undefined) return undefined;
      return { work, id: work.indicators[0]?.indicator_id };
    };
    const first = [await turn(), await turn(), await turn()];
    expect(first.map(each => each?.id)).toEqual(ids);
    expect(await turn(), 'all are leased').toBeUndefined();
    // The second is done first, so it is the last in line.
    for (const place of [1, 0, 2]) {
      const work = first[place]?.work;
      if (work !== undefined) await finish(sql, [work]);
    }
    expect((await turn())?.id).toBe(ids[1]);
    expect((await turn())?.id).toBe(ids[0]);
    await sql`update indicator.backfills set leased_until = '-infinity'`;
    await computeAll(sql);
    for (const id of ids) expect(await valuesOf(sql, id)).toHaveLength(6);
  });

  it('keeps what it needs longer for, gives back what it does not reach, and finishes only that', async () => {
    await catchUp(sql);
    const symbol = await addInstrument(sql);
    await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await record(symbol, [0, 300]);
    await accept(sql, await publish(sql));
    const store = createServiceStore(sql, 'classical');
    const works = await claim(sql);
    expect(works.map(work => work.workIds.length)).toEqual([1, 1]);
    const [newer = '', older = ''] = works.flatMap(work => work.workIds);
    await sql`update indicator.pending set leased_until = clock_timestamp() + '1 second'`;
    expect(await store.keepPending([newer])).toEqual([newer]);
    const leases = await sql`
      select work_id::text as id, leased_until > clock_timestamp() + interval '8 seconds' as is_long
      from indicator.pending order by bucket desc`;
    expect([...leases]).toEqual([
      { id: newer, is_long: true },
      { id: older, is_long: false },
    ]);
    await store.releasePending([older]);
    expect((await claim(sql)).flatMap(work => work.workIds)).toEqual([older]);
    // A candle that changes meanwhile is other work.
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(0), { seq: 1, bid: 9 })]);
    await accept(sql, await publish(sql));
    expect(await store.keepPending([newer, older])).toEqual([newer]);
    await store.finishPending([newer, older]);
    const [left] = await claim(sql);
    expect(left?.workIds).toHaveLength(1);
    expect(left?.workIds).not.toEqual([older]);
    await store.finishPending(left?.workIds ?? []);
  });

  it('is registered again without a change of what the operator chose', async () => {
    const own = async () => {
      const [row] = await sql`
        select queue, description, closed_only, forming_every::text from indicator.services where service = 'x_1'`;
      return row;
    };
    const register = (args: string) =>
      sql.unsafe(`select indicator.register_service(${args}) as q`);
    expect([...(await register(`'x_1'`))]).toEqual([{ q: 'foresight-x-1' }]);
    await register(`'x_1', forming_every => '1 s', closed_only => true`);
    expect([...(await register(`'x_1', description => 'mine'`))]).toEqual([{ q: 'foresight-x-1' }]);
    expect(await own()).toEqual({
      queue: 'foresight-x-1',
      description: 'mine',
      closed_only: true,
      forming_every: '00:00:01',
    });
    await register(`'x_1', 'elsewhere'`);
    expect(await own()).toMatchObject({ queue: 'elsewhere' });

    await sql`select indicator.register_kind('x_1', 'x_kind', 'd', 'r', 'l', '', '[]', '{close}',
      '[{"name": "x", "unit": "price", "pane": "own"}]', '[{"plus": 1}]', closed_only => true)`;
    const id = await addIndicator(sql, await addInstrument(sql), {}, { kind: 'x_kind' });
    const subscription = () =>
      sql`select queue, closed_only, forming_every::text from outbox.subscriptions where name = 'indicators.x_1'`;
    const settings = { queue: 'elsewhere', closed_only: true };
    expect([...(await subscription())]).toEqual([{ ...settings, forming_every: '00:00:01' }]);
    await expect(register(`'x_1', 'third'`)).rejects.toMatchObject({ code: 'SUBEX' });
    await register(`'x_1', forming_every => '2 s'`);
    expect([...(await subscription())]).toEqual([{ ...settings, forming_every: '00:00:02' }]);

    await expect(sql`select indicator.remove_service('x_1')`).rejects.toMatchObject({
      code: 'SVUSE',
      message: `the service x_1 has indicators: ${id}`,
    });
    await sql`select indicator.remove(${id})`;
    await sql`select indicator.remove_service('x_1')`;
    expect(await own()).toBeUndefined();
    expect([...(await subscription())]).toEqual([]);
    expect([...(await sql`select from indicator.kinds where kind = 'x_kind'`)]).toEqual([]);
  });

  it('keeps its subscription: nobody takes it by accident', async () => {
    for (const statement of [
      `select outbox.unsubscribe('indicators.classical')`,
      `delete from outbox.subscriptions where name = 'indicators.classical'`,
      `update outbox.subscriptions set name = 'mine' where name = 'indicators.classical'`,
    ]) {
      await expect(sql.unsafe(statement), statement).rejects.toMatchObject({
        code: 'SVUSE',
        message:
          'the service classical is told about candles by the subscription indicators.classical',
        hint: `select outbox.pause('indicators.classical'); stops it for a while, select indicator.remove_service('classical'); for good.`,
      });
    }
    await sql`update outbox.subscriptions set forming_every = '0' where name = 'indicators.classical'`;
  });

  for (const [way, repair] of [
    [
      'when one of its indicators is added again',
      (symbol: string) => addIndicator(sql, symbol, { fast: 1, slow: 2 }),
    ],
    ['when it starts', () => sql`select indicator.register_service('classical')`],
  ] as const) {
    it(`is told again about what was taken all the same, and computes what it missed, ${way}`, async () => {
      const symbol = await addInstrument(sql);
      const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
      await record(symbol, [0, 1]);
      await catchUp(sql);
      await sql`alter table outbox.subscriptions disable trigger _100_refuse_removal`;
      await sql`select outbox.unsubscribe('indicators.classical')`;
      await sql`alter table outbox.subscriptions enable trigger _100_refuse_removal`;
      await record(symbol, [2]);
      await catchUp(sql);
      expect(await valuesOf(sql, id)).toHaveLength(2);
      await repair(symbol);
      await catchUp(sql);
      expect(await valuesOf(sql, id)).toHaveLength(3);
      await record(symbol, [3]);
      await catchUp(sql);
      expect(await valuesOf(sql, id)).toHaveLength(4);
      await repair(symbol);
      expect(await countOf('backfills'), 'once is enough').toEqual({});
    });
  }

  for (const [code, statement] of [
    ['23514', `indicator.register_service('Not a code')`],
    ['23505', `indicator.register_service('thief', 'foresight-classical')`],
    ['NOSVC', `indicator.register_kind('nobody', 'k', ${blank})`],
    ['KINDS', `indicator.register_kind('python', 'ma_cross', ${blank})`],
    ['NOSVC', `indicator.accept_candles('nobody', '{}', '{}', '{}', '{}', '{}')`],
    ['NOSVC', `indicator.beat('{classical,nobody}')`],
    ['NOSVC', `indicator.remove_service('nobody')`],
  ] as const) {
    it(`is refused with ${code}: ${statement}`, async () => {
      await expect(sql.unsafe(`select ${statement}`)).rejects.toMatchObject({ code });
    });
  }

  it('is expected to beat as soon as it is registered, whoever computes for it', async () => {
    const silent = async () => {
      const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
      return row?.faults.filter(fault => fault.startsWith('service '));
    };
    await sql`select indicator.beat('{classical,models}', 'here', 1)`;
    expect(await silent()).toEqual(['service python is not running']);
    await sql`select indicator.beat('{python}', 'there', 7)`;
    expect(await silent()).toEqual([]);
    await sql`update ops.processes set seen_at = now() - interval '15 seconds' where host = 'here'`;
    expect(await silent()).toEqual([
      'service classical is not running',
      'service models is not running',
    ]);
  });
});
