import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  publish,
  registerCatalog,
  revisionsOf,
  valuesFor,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createServiceStore, type Work } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('Work of the indicators', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  beforeAll(() => registerCatalog(sql));

  const tickIn = (symbol: string, minutes: readonly number[], seq = 0) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute =>
        tickOf(symbol, secondsAfter(minute * 60), { seq, bid: minute + 10 * seq + 1 }),
      ),
    );

  async function indicatorOn(minutes: readonly number[]) {
    await catchUp(sql);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    await tickIn(symbol, minutes);
    return { symbol, id };
  }

  const endLeases = () =>
    sql`update indicator.pending set leased_until = clock_timestamp() - interval '1 second'`;

  /** What a claim asks for; when it was made does not count. */
  const asked = (works: readonly Work[]) => works.map(({ closedTo: _, ...work }) => work);

  /** Against the database's clock; null: there is none. */
  async function nextWork(): Promise<'now' | 'later' | null> {
    const [row] = await sql<{ is_now: boolean | null }[]>`
      select indicator.next_work_at('classical') <= clock_timestamp() as is_now`;
    if (row?.is_now == null) return null;
    return row.is_now ? 'now' : 'later';
  }

  it('is there now, when a lease ends, or not before something changes', async () => {
    const { id, symbol } = await indicatorOn([0, 1]);
    await catchUp(sql);
    expect(await nextWork()).toBeNull();
    await tickIn(symbol, [2]);
    await accept(sql, await publish(sql));
    expect(await nextWork(), 'a changed candle').toBe('now');
    const works = await claim(sql);
    expect(await nextWork(), 'a leased one').toBe('later');
    const [row] = await sql`
      select indicator.next_work_at('classical') = (select min(leased_until) from indicator.pending) as is_end`;
    expect(row, 'the end of the lease').toEqual({ is_end: true });
    await endLeases();
    expect(await nextWork(), 'a lease that ended').toBe('now');
    await finish(sql, works);
    expect(await nextWork(), 'computed').toBeNull();
    await sql`select ops.recompute(${id})`;
    expect(await nextWork(), 'history').toBe('now');
    await computeAll(sql);
    expect(await nextWork(), 'history that was computed').toBeNull();
  });

  it('is claimed once until its lease ends, and then again', async () => {
    await indicatorOn([0, 1]);
    await accept(sql, await publish(sql));
    const first = await claim(sql);
    expect(first).toHaveLength(1);
    expect(first[0]?.workIds).toHaveLength(2);
    expect(await claim(sql)).toEqual([]);
    await endLeases();
    expect(asked(await claim(sql))).toEqual(asked(first));
    await finish(sql, first);
    await endLeases();
    expect(await claim(sql)).toEqual([]);
  });

  it('is never struck off when its candles were not read', async () => {
    await indicatorOn([0, 1]);
    await accept(sql, await publish(sql));
    await withSessions(sql, async ({ sql: own }) => {
      await own`begin`;
      await own.unsafe(`
        alter function indicator.candle_windows rename to all_windows;
        create function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[])
        returns table (
          "position" int, buckets timestamptz[], opens float8[], highs float8[], lows float8[], closes float8[],
          sums float8[], volumes float8[], tick_counts bigint[], spreads float8[]
        )
        language sql as 'select w.* from indicator.all_windows($1, $2, $3, $4, $5, $6, $7) as w where false'`);
      expect(await createServiceStore(own, 'classical').claimPending(500)).toEqual([]);
      const waiting = await own`select failure_count from indicator.pending`;
      expect(waiting).toEqual([{ failure_count: 1 }, { failure_count: 1 }]);
      await own`rollback`;
    });
  });

  it('comes back at once when its candle changes while it is computed', async () => {
    const { symbol } = await indicatorOn([0]);
    await accept(sql, await publish(sql));
    const first = await claim(sql);
    await tickIn(symbol, [0], 1);
    await accept(sql, await publish(sql));
    const second = await claim(sql);
    expect(Number(second[0]?.revision)).toBeGreaterThan(Number(first[0]?.revision));
    await finish(sql, first);
    await endLeases();
    expect(asked(await claim(sql)), 'the newer one stays').toEqual(asked(second));
    await finish(sql, second);
  });

  it('is not asked for again by a message that comes again', async () => {
    await indicatorOn([0, 1]);
    const message = await publish(sql);
    expect(await accept(sql, message)).toBe(2);
    expect(await accept(sql, [...message, ...message])).toBe(0);
  });

  it('is not made by candles that no indicator is on', async () => {
    const { id } = await indicatorOn([0]);
    const message = await publish(sql);
    await sql`select indicator.remove(${id})`;
    expect(await accept(sql, message)).toBe(0);
    expect(
      await accept(
        sql,
        message.map(candle => ({ ...candle, symbol: 'NOBODY' })),
      ),
    ).toBe(0);
  });

  it('ends quietly when its indicator is removed while it is computed', async () => {
    const { id } = await indicatorOn([0]);
    await accept(sql, await publish(sql));
    const works = await claim(sql);
    await sql`select indicator.remove(${id})`;
    await finish(sql, works);
    expect(await valuesOf(sql, id)).toEqual([]);
    expect(await claim(sql)).toEqual([]);
  });

  it('stores the other values of a batch when one of its indicators is just being removed', async () => {
    const { symbol, id: gone } = await indicatorOn([]);
    const kept = await addIndicator(sql, symbol, { fast: 1, slow: 4 });
    await withSessions(sql, async (remover, recorder) => {
      await remover.sql`begin`;
      await remover.sql`select indicator.remove(${gone})`;
      const recording = createServiceStore(recorder.sql, 'classical').recordValues(
        [gone, kept].map(indicatorId => ({
          indicatorId,
          bucket: secondsAfter(0),
          reading: { outputs: [1, 1, 1], verdict: 1 as const, strength: 1 },
          price: null,
          bars: 1,
          revision: '1',
        })),
      );
      await untilBlocked(sql, recorder);
      await remover.sql`commit`;
      await recording;
    });
    expect(await valuesOf(sql, gone)).toEqual([]);
    expect(await valuesOf(sql, kept)).toHaveLength(1);
  });

  it('of a slow worker cannot undo what a faster one stored with a higher revision', async () => {
    const { symbol, id } = await indicatorOn([0, 1, 2]);
    await accept(sql, await publish(sql));
    const slow = await claim(sql);
    await tickIn(symbol, [1], 1);
    await accept(sql, await publish(sql));
    const fast = await claim(sql);
    await finish(sql, fast);
    const stored = await valuesOf(sql, id);
    await finish(sql, slow);
    const values = await valuesOf(sql, id);
    expect(values.slice(1)).toEqual(stored);
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toEqual(values);
  });

  it('with history does not overwrite a live value', async () => {
    const { symbol, id } = await indicatorOn([0, 1, 2]);
    await publish(sql);
    const history = await store.claimBackfill(1_000);
    if (history === undefined) throw new Error('no history is asked for');
    await tickIn(symbol, [1], 1);
    await accept(sql, await publish(sql));
    await finish(sql, await claim(sql));
    const live = await revisionsOf(sql, id);
    await finish(sql, [history]);
    const all = await revisionsOf(sql, id);
    expect([...all]).toEqual([['10:00', 0], ...live]);
    await computeAll(sql);
  });

  it('with history begins again when it is asked for while a stretch is computed', async () => {
    const { id } = await indicatorOn([0, 1, 2, 3, 4, 5]);
    const first = await store.claimBackfill(2);
    if (first === undefined) throw new Error('no history is asked for');
    await store.finishBackfill(first, first.toBucket);
    const second = await store.claimBackfill(2);
    if (second === undefined) throw new Error('the history ended early');
    await sql`select ops.recompute(${id})`;
    await store.finishBackfill(second, second.toBucket);
    const again = await store.claimBackfill(2);
    expect(again?.fromBucket).toBe(first.fromBucket);
    expect(Number(again?.revision)).toBeGreaterThan(0);
    await finish(sql, again === undefined ? [] : [again]);
    await computeAll(sql);
  });

  it('with history has the newest closed candle first, where no message will tell of it', async () => {
    await catchUp(sql);
    const models = createServiceStore(sql, 'models');
    const symbol = await addInstrument(sql);
    await tickIn(symbol, [...Array(12).keys(), 15, 17]);
    const params = { period: 10, horizon: 2, level: '0.80' };
    const id = await addIndicator(sql, symbol, params, { kind: 'drift' });
    const newest = await models.claimBackfill(4);
    if (newest === undefined) throw new Error('no history is asked for');
    await finish(sql, [newest]);
    const first = await valuesOf(sql, id);
    expect(first).toHaveLength(1);
    expect(first[0]).toMatchObject({ bucket: secondsAfter(17 * 60), bars: 10 });
    expect(first[0]?.verdict).not.toBeNull();
    await computeAll(sql, 4);
    const values = await valuesOf(sql, id);
    expect(values).toHaveLength(14);
    expect(values.at(-1)).toEqual(first[0]);
    const [said] =
      await sql`select count(*)::int as count from indicator.verdicts where indicator_id = ${id}`;
    expect(said, 'nothing was said when it closed').toEqual({ count: 0 });
  });

  it('with history loses none when the newest candle is not computed', async () => {
    await catchUp(sql);
    const models = createServiceStore(sql, 'models');
    const symbol = await addInstrument(sql);
    await tickIn(symbol, [...Array(14).keys()]);
    const params = { period: 10, horizon: 2, level: '0.80' };
    const id = await addIndicator(sql, symbol, params, { kind: 'drift' });
    const newest = await models.claimBackfill(4);
    const stretch = await models.claimBackfill(4);
    if (newest === undefined || stretch === undefined) throw new Error('no history is asked for');
    expect(new Date(stretch.fromBucket).toISOString()).toBe(secondsAfter(0));
    // Late, when the history is in other hands.
    await models.finishBackfill(newest, newest.toBucket);
    expect(await models.claimBackfill(4), 'still leased').toBeUndefined();
    await finish(sql, [stretch]);
    await computeAll(sql, 4);
    expect(await valuesOf(sql, id)).toHaveLength(14);
  });

  it('with history is told of when it is the first that waits', async () => {
    const nudges = async () => {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from graphile_worker.jobs
        where task_identifier = 'compute_values.classical'`;
      return row?.count;
    };
    await catchUp(sql);
    await sql`delete from graphile_worker._private_jobs`;
    const { symbol } = await indicatorOn([0, 1]);
    expect(await nudges()).toBe(1);
    await sql`delete from graphile_worker._private_jobs`;
    await addIndicator(sql, symbol, { fast: 1, slow: 4 });
    expect(await nudges(), 'whoever takes the first finds this one').toBe(0);
    await computeAll(sql);
  });

  it('with history comes to an end, also from a time within a candle on', async () => {
    const { id } = await indicatorOn([0, 1, 2, 3]);
    await computeAll(sql);
    const before = await revisionsOf(sql, id);
    await sql`select ops.recompute(${id}, ${secondsAfter(2 * 60 + 30)})`;
    await computeAll(sql);
    const after = await revisionsOf(sql, id);
    expect(
      [...after]
        .filter(([minute, revision]) => before.get(minute) !== revision)
        .map(([minute]) => minute),
    ).toEqual(['10:02', '10:03']);
    expect(await nextWork()).toBeNull();
    await expect(sql`select ops.recompute(2000000000)`).rejects.toMatchObject({ code: 'NOIND' });
  });

  it('repairs values that were changed by hand', async () => {
    const { id } = await indicatorOn([0, 1, 2, 3]);
    await catchUp(sql);
    const right = await valuesOf(sql, id);
    await sql`update indicator.values set value = 7, outputs = '{7,7,7}', verdict = -1, strength = -1
      where indicator_id = ${id}`;
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toEqual(right);
  });

  it('is stored once when one call has a value twice: the highest revision counts', async () => {
    const { id } = await indicatorOn([]);
    const value = (revision: string, bars: number) => ({
      indicatorId: id,
      bucket: secondsAfter(0),
      reading: { outputs: [bars, 1, 1], verdict: 1 as const, strength: 1 },
      price: null,
      bars,
      revision,
    });
    await store.recordValues([value('5', 1), value('9', 2), value('7', 3)]);
    expect(await valuesOf(sql, id)).toMatchObject([{ bars: 2 }]);
  });

  it('refuses numbers that are not finite, and verdicts, strengths and forecasts that cannot be', async () => {
    const { id } = await indicatorOn([]);
    const given = {
      outputs: '{1,2,3}',
      verdict: 1,
      strength: 0.5,
      horizon: null as number | null,
      low: null as string | null,
      high: null as string | null,
    };
    const record = (change: Partial<Record<keyof typeof given, unknown>>) => {
      const value = { ...given, ...change } as typeof given;
      return sql`
        select indicator.record_values(array[${id}::int], array['2026-03-02Z'::timestamptz],
          array[${value.outputs}::text], array[${value.verdict}]::int2[], array[${value.strength}::float8]::real[],
          array[${value.horizon}]::int[], array[${value.low}]::text[]::float8[], array[${value.high}]::text[]::float8[],
          array[1], array[1::bigint])`;
    };
    for (const number of ['NaN', 'Infinity', '-Infinity', 'NULL']) {
      for (const outputs of [`{${number},2,3}`, `{1,2,${number}}`]) {
        await expect(record({ outputs }), outputs).rejects.toMatchObject({ code: '23514' });
      }
    }
    for (const outputs of ['{1,2}', '{1,2,3,4}', '{}']) {
      await expect(record({ outputs }), outputs).rejects.toMatchObject({
        code: 'VALUE',
        message: `a value of indicator ${id} has other outputs than the 3 that ma_cross declares: ${outputs}`,
      });
    }
    // Also one that would not be stored: beside a newer one of its bucket, or of a time that was given up.
    for (const bucket of ['2026-03-02Z', '1999-03-02Z']) {
      await expect(
        sql`select indicator.record_values(array_fill(${id}::int, array[2]),
          array['2026-03-02Z', ${bucket}::text]::timestamptz[], '{"{1,2,3}","{1}"}', '{1,1}', '{0.5,0.5}',
          '{null,null}', '{null,null}', '{null,null}', '{1,1}', '{2,1}')`,
        bucket,
      ).rejects.toMatchObject({ code: 'VALUE' });
    }
    for (const change of [
      { verdict: 2 },
      { strength: 1.01 },
      { strength: -0.5 },
      { strength: Number.NaN },
      { verdict: 0, strength: 0.5 },
      { verdict: null },
      { strength: null },
      { outputs: null },
      { horizon: 3 },
      { horizon: 3, low: '2', high: '1' },
      { horizon: 0, low: '1', high: '2' },
      { horizon: 3, low: '1', high: 'NaN' },
      { horizon: 3, low: '-Infinity', high: '1' },
    ]) {
      await expect(record(change), JSON.stringify(change)).rejects.toMatchObject({ code: '23514' });
    }
    await record({ verdict: 1, strength: 0, horizon: 3, low: '1', high: '1' });
    await record({ outputs: null, verdict: null, strength: null });
    expect(await valuesOf(sql, id)).toMatchObject([{ outputs: null, verdict: null }]);
  });

  it('takes a history of few candles in few stretches, each candle once', async () => {
    const symbol = await addInstrument(sql);
    // A candle every two hours, of 24,000 minutes.
    await feed.recordTicks(
      'manual',
      Array.from({ length: 200 }, (_, n) =>
        tickOf(symbol, secondsAfter(7_200 * (n - 400)), { bid: 1 + n }),
      ),
    );
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    const computed: string[] = [];
    let stretches = 0;
    for (;;) {
      const work = await store.claimBackfill(1_000);
      if (work === undefined) break;
      stretches += 1;
      const values = valuesFor(work);
      computed.push(...values.map(({ bucket }) => bucket));
      await store.recordValues(values);
      await store.finishBackfill(work, work.toBucket);
    }
    expect(stretches).toBeLessThanOrEqual(2);
    expect(computed).toHaveLength(200);
    expect(await valuesOf(sql, id)).toHaveLength(200);
  });
});
