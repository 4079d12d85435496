import fc from 'fast-check';
import { pino } from 'pino';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
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
  registerKind,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import { type Compute, computeValues } from '../../../workers/indicators/compute.ts';
import { createServiceStore, type ServiceStore } from '../../../workers/indicators/service.ts';
import { createCheck } from '../../../workers/indicators/tasks/check_values.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const compute: Compute = (work, onFailure) => computeValues(work, catalog, onFailure);

describeOnEngine('The standing check of stored values', ({ sql }) => {
  const feed = createFeed(sql);
  let store: ServiceStore;
  let symbol: string;

  beforeAll(async () => {
    await registerCatalog(sql);
    // What is random is drawn by one session, from one seed.
    const own = await sql.reserve();
    await own`select setseed(0.25)`;
    store = createServiceStore(own as unknown as typeof sql, 'classical');
    return () => own.release();
  });
  beforeEach(async () => {
    await sql`select indicator.remove(indicator_id) from indicator.definitions`;
    symbol = await addInstrument(sql);
  });

  const tickAt = (minutes: readonly number[], rest: object = {}, seq = 0) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute =>
        tickOf(symbol, secondsAfter(60 * minute), { seq, bid: 10 + ((7 * minute) % 5), ...rest }),
      ),
    );
  const minutes = (count: number) => Array.from({ length: count }, (_, minute) => minute);

  /** Draws and compares some, however short ago others were. */
  async function look(): Promise<void> {
    await sql`update indicator.differences set looked_at = '-infinity'`;
    const lines: string[] = [];
    await createCheck({
      service: 'classical',
      store: { ...store, drawValues: count => store.drawValues(count, 0) },
      compute,
      logger: pino({ level: 'warn' }, { write: line => void lines.push(line) }),
    })();
    expect(lines.filter(line => !line.includes('differ from their candles'))).toEqual([]);
  }
  const found = () => sql<{ indicator_id: number; minute: string; is_confirmed: boolean }[]>`
    select indicator_id, to_char(bucket, 'HH24:MI') as minute, confirmed_at is not null as is_confirmed
    from indicator.differences order by 1, 2`;
  const faults = async () => {
    const rows = await sql<{ fault: string }[]>`
      select fault from indicator.faults where fault like '%indicator.differences%'`;
    return rows.map(row => row.fault);
  };
  const plant = (id: number, minute: string, change = 'verdict = -verdict, strength = -strength') =>
    sql.unsafe(`update indicator.values set ${change}
      where indicator_id = ${id} and to_char(bucket, 'HH24:MI') = '${minute}'`);

  it('finds a wrong value among 120 in at most a hundred draws of eight, tells it, and not once it is repaired', async () => {
    await addIndicator(sql, symbol, { period: 2 }, { kind: 'sma' });
    const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' });
    await tickAt(minutes(60));
    await catchUp(sql);
    for (let passes = 0; passes < 20; passes++) await look();
    expect([...(await found())], 'nothing is wrong').toEqual([]);
    const changed = await plant(id, '10:40', 'verdict = 1, strength = 0.125');
    expect(changed.count).toBe(1);
    let passes = 0;
    while ((await found()).length === 0) {
      expect(++passes).toBeLessThanOrEqual(100);
      await look();
    }
    const one = { indicator_id: id, minute: '10:40' };
    expect([...(await found())]).toEqual([{ ...one, is_confirmed: false }]);
    expect(await faults(), 'it was seen once').toEqual([]);
    await look();
    expect([...(await found())]).toEqual([{ ...one, is_confirmed: true }]);
    expect(await faults()).toEqual([
      `1 values of service classical differ from what the same candles give (indicator.differences), such as SMA 3 of ${symbol} 1m at 2026-03-02 10:40:00 UTC: select indicator.recompute(${id})`,
    ]);
    const [kept] =
      await sql`select params, stored, computed, computed_by from indicator.differences`;
    expect(kept).toMatchObject({
      params: { period: 3 },
      stored: { verdict: 1, strength: 0.125, bars: 3 },
      computed: { outputs: expect.any(Array), bars: 3 },
      computed_by: `node ${process.version}`,
    });
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await faults()).toEqual([]);
  });

  it.each([
    ['an output', 'value = value + 1e-9, outputs[1] = outputs[1] + 1e-9'],
    ['a verdict', 'verdict = 0, strength = 0'],
    ['a strength', 'strength = 0.5 * strength'],
    ['an interval', 'low = low - 1e-9'],
    ['a horizon', 'horizon = horizon + 1'],
    ['the candles of its window', 'bars = bars - 1'],
    [
      'that there is none',
      'value = null, outputs = null, verdict = null, strength = null, horizon = null, low = null, high = null',
    ],
  ])('sees %s that is another', async (_, change) => {
    const [row] = await sql<[{ id: number }]>`
      select indicator.add(${symbol}, '1m', 'drift', '{"period": 10, "horizon": 3}', 'bid') as id`;
    for (const minute of minutes(13))
      await tickAt([minute], { bid: 10 + minute + (minute % 3) / 10 });
    await catchUp(sql);
    const changed = await plant(row.id, '10:12', change);
    expect(changed.count).toBe(1);
    const models = createServiceStore(sql, 'models');
    const lines: string[] = [];
    await createCheck({
      service: 'models',
      store: {
        ...models,
        // All of its few values.
        drawValues: async () => {
          const all = await Promise.all(minutes(60).map(() => models.drawValues(8, 0)));
          return all.flat();
        },
      },
      compute,
      logger: pino({}, { write: line => void lines.push(line) }),
    })();
    expect(lines).toEqual([]);
    expect((await found()).map(each => each.minute)).toEqual(['10:12']);
  });

  describe('is silent about', () => {
    /** A value of three candles, which one draw finds. */
    async function oneValue(): Promise<number> {
      const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' });
      await tickAt(minutes(3));
      await catchUp(sql);
      return id;
    }
    async function lookAtAll(): Promise<void> {
      for (let passes = 0; passes < 10; passes++) await look();
    }

    it('a value whose candles changed, wherever that news is', async () => {
      const id = await oneValue();
      await tickAt([1], { bid: 100 }, 1);
      await lookAtAll();
      expect(await found(), 'not captured').toHaveLength(0);
      const published = await publish(sql);
      await lookAtAll();
      expect(await found(), 'on the queue').toHaveLength(0);
      await accept(sql, published);
      await lookAtAll();
      expect(await found(), 'accepted').toHaveLength(0);
      const works = await claim(sql);
      await lookAtAll();
      expect(await found(), 'claimed').toHaveLength(0);
      await finish(sql, works);
      await lookAtAll();
      expect(await found(), 'computed').toHaveLength(0);
      await plant(id, '10:02');
      await lookAtAll();
      expect(await found(), 'wrong').toHaveLength(1);
    });

    it('one that was stored anew between the draw and the comparison, or is gone', async () => {
      const id = await oneValue();
      await plant(id, '10:02');
      const drawn = (await store.drawValues(8, 0)).map(each => ({
        drawn: each,
        reading: null,
        bars: 1,
        windowStart: null,
      }));
      expect(drawn.length).toBeGreaterThan(0);
      await sql`select ops.recompute(${id})`;
      expect(await store.compareValues(drawn)).toBe(0);
      await computeAll(sql);
      expect(await store.compareValues(drawn)).toBe(0);
      await sql`select indicator.remove(${id})`;
      expect(await store.compareValues(drawn)).toBe(0);
      expect(await found()).toHaveLength(0);
    });

    it('one whose kind reads another window now, until that is computed', async () => {
      const id = await oneValue();
      const sma = { ...kindOf('sma'), defaults: [] };
      await registerKind(sql, { ...sma, bars: { ...sma.bars, window: [{ period: 2 }] } });
      await lookAtAll();
      expect(await found()).toHaveLength(0);
      await computeAll(sql);
      await lookAtAll();
      expect(await found()).toHaveLength(0);
      await plant(id, '10:02');
      await lookAtAll();
      expect(await found()).toHaveLength(1);
      await registerKind(sql, sma);
      await computeAll(sql);
    });

    it('one of a kind that this process does not have', async () => {
      const kind = { ...kindOf('sma'), kind: 'sma_of_tomorrow', defaults: [] };
      await registerKind(sql, kind);
      const id = await addIndicator(sql, symbol, { period: 3 }, { kind: kind.kind });
      await tickAt(minutes(3));
      await accept(sql, await publish(sql));
      const kinds = new Map([...catalog, [kind.kind, kind]]);
      await computeAll(sql, 500, kinds);
      await plant(id, '10:02');
      await lookAtAll();
      expect(await found()).toHaveLength(0);
    });

    it('the last bits of what reads sums of candles', async () => {
      const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'rolling_vwap' });
      await tickAt(minutes(3), { size: 3 });
      await catchUp(sql);
      const add = (part: number) =>
        plant(id, '10:02', `value = value + ${part}, outputs[1] = outputs[1] + ${part}`);
      await add(1e-12);
      await lookAtAll();
      expect(await found()).toHaveLength(0);
      await add(1e-6);
      await lookAtAll();
      expect(await found()).toHaveLength(1);
    });
  });

  it('draws for one of the processes of a service at a time', async () => {
    await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' });
    await tickAt(minutes(20));
    await catchUp(sql);
    await sql`update indicator.services set checked_at = '-infinity'`;
    const twins = [1, 2, 3].map(() => createServiceStore(sql, 'classical'));
    const drawn = await Promise.all(twins.map(twin => twin.drawValues(8, 60_000)));
    expect(drawn.filter(each => each.length > 0)).toHaveLength(1);
    expect(await store.drawValues(8, 60_000)).toEqual([]);
    await expect(createServiceStore(sql, 'nobody').drawValues(8, 0)).rejects.toMatchObject({
      code: 'NOSVC',
    });
  });

  it('keeps the newest thousand', async () => {
    const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' });
    await tickAt(minutes(3));
    await catchUp(sql);
    await sql`insert into indicator.differences (indicator_id, bucket, revision, stored_at, params, stored, computed, computed_by, found_at)
      select ${id}::int, '2020-01-01Z'::timestamptz + n * interval '1 minute', 1, now(), '{}', '{}', '{}', '', '2020-01-01Z'::timestamptz + n * interval '1 minute'
      from generate_series(1, 1000) as n`;
    await plant(id, '10:02');
    for (let passes = 0; passes < 10; passes++) await look();
    const [kept] = await sql`
      select count(*)::int as count, min(found_at) = '2020-01-01T00:02:00Z' as is_oldest_gone from indicator.differences`;
    expect(kept).toEqual({ count: 1_000, is_oldest_gone: true });
  });

  it('never finds a thing while ticks come, late ones too, and each step of the way is as far as it likes', async () => {
    const minute = fc.integer({ min: 0, max: 25 });
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('tick' as const),
        minute,
        bid: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constantFrom('publish', 'accept', 'claim', 'finish', 'look', 'add') }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async steps => {
        await sql`select indicator.remove(indicator_id) from indicator.definitions`;
        symbol = await addInstrument(sql);
        let queue: Awaited<ReturnType<typeof publish>> = [];
        let works: Awaited<ReturnType<typeof claim>> = [];
        let seq = 0;
        let period = 2;
        const add = () => addIndicator(sql, symbol, { period: ++period }, { kind: 'sma' });
        await add();
        await tickAt(minutes(8));
        for (const each of steps) {
          if ('minute' in each) await tickAt([each.minute], { bid: each.bid }, ++seq);
          else if (each.kind === 'publish') queue = [...queue, ...(await publish(sql))];
          else if (each.kind === 'accept') await accept(sql, queue.splice(0));
          else if (each.kind === 'claim') works = [...works, ...(await claim(sql))];
          else if (each.kind === 'finish') await finish(sql, works.splice(0));
          else if (each.kind === 'add') {
            await add();
            await computeAll(sql);
          } else {
            await look();
            expect(await found()).toHaveLength(0);
          }
        }
        await accept(sql, queue);
        await finish(sql, works);
        await catchUp(sql);
        for (let passes = 0; passes < 5; passes++) await look();
        expect(await found()).toHaveLength(0);
      }),
      { numRuns: 15 },
    );
  });
});

describeOnEngine('The standing check, after candles were given up', ({ sql }) => {
  it('is silent about values of windows that are not whole any more', async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    const feed = createFeed(sql);
    const store = createServiceStore(sql, 'classical');
    await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' });
    const days = [1, 2, 3].flatMap(day =>
      ['23:58:00', '23:59:00'].map(time =>
        tickOf(symbol, `2026-03-0${day}T${time}Z`, { bid: day + Number(time.slice(3, 5)) }),
      ),
    );
    await feed.recordTicks('manual', days);
    await catchUp(sql);
    await sql`call feed.advance_candles()`;
    await sql`update feed.storage set retain_for = now() - '2026-03-03T06:00:00Z' where level in ('ticks', '1s', '1m')`;
    await sql`call ops.apply_storage()`;
    const [floor] =
      await sql`select floor_at from feed.storage where level = '1m' and floor_at > '-infinity'`;
    expect(floor).toBeDefined();
    const lines: string[] = [];
    for (let passes = 0; passes < 10; passes++) {
      await createCheck({
        service: 'classical',
        store: { ...store, drawValues: count => store.drawValues(count, 0) },
        compute,
        logger: pino({}, { write: line => void lines.push(line) }),
      })();
    }
    expect(lines).toEqual([]);
    const [stored] = await sql`select count(*)::int as count from indicator.values`;
    expect(stored).toEqual({ count: 6 });
    expect(await sql`select from indicator.differences`).toHaveLength(0);
  });
});
