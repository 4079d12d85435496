import { pino } from 'pino';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  kindOf,
  publish,
  registerCatalog,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { waitFor } from '../../../tests/support/wait.ts';
import { createFeed } from '../../ingest/feed.ts';
import type { Kind } from '../kind.ts';
import { createServiceStore, type ServiceStore } from '../service.ts';
import { computeValuesTask } from './compute_values.ts';

describeOnEngine('The task that computes values', ({ sql }) => {
  const feed = createFeed(sql);
  const maCross = kindOf('ma_cross');
  beforeAll(() => registerCatalog(sql));
  beforeEach(() => catchUp(sql));

  const record = (symbol: string, minutes: readonly number[], seq = 0) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute =>
        tickOf(symbol, secondsAfter(minute * 60), { seq, bid: 1 + minute + seq }),
      ),
    );

  /** The task with a moving-average cross of another making, and what it logs. */
  function createTask(
    compute: Kind['compute'],
    options: { store?: Partial<ServiceStore>; signal?: AbortSignal } = {},
  ) {
    const lines: string[] = [];
    const run = computeValuesTask({
      service: 'classical',
      store: { ...createServiceStore(sql, 'classical'), ...options.store },
      kinds: new Map([[maCross.kind, { ...maCross, compute }]]),
      logger: pino({}, { write: line => void lines.push(line) }),
      signal: options.signal ?? new AbortController().signal,
    });
    return { run, lines };
  }

  /** Runs it once; what it logged. */
  async function run(...given: Parameters<typeof createTask>): Promise<string[]> {
    const task = createTask(...given);
    await task.run();
    return task.lines;
  }

  /** A kernel that keeps the processor busy for so long. */
  const slow =
    (milliseconds: number): Kind['compute'] =>
    (columns, params) => {
      const endsAt = performance.now() + milliseconds;
      while (performance.now() < endsAt);
      return maCross.compute(columns, params);
    };

  async function left(): Promise<{ pending: number; backfills: number; leased: number }> {
    const [row] = await sql<[{ pending: number; backfills: number; leased: number }]>`
      select (select count(*)::int from indicator.pending) as pending,
        (select count(*)::int from indicator.backfills) as backfills,
        ((select count(*) from indicator.pending where leased_until > clock_timestamp())
          + (select count(*) from indicator.backfills where leased_until > clock_timestamp()))::int as leased`;
    return row;
  }

  const endLeases = () => sql`
    with p as (update indicator.pending set leased_until = '-infinity')
    update indicator.backfills set leased_until = '-infinity'`;

  it('records and finishes the neighbours of what cannot be computed, and names that', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql), await addInstrument(sql)];
    const ids = [];
    for (const symbol of symbols)
      ids.push(await addIndicator(sql, symbol, { fast: 1, slow: 2 + ids.length }));
    const beside = await addIndicator(sql, symbols[1] ?? '', { fast: 2, slow: 9 });
    await catchUp(sql);
    for (const symbol of symbols) await record(symbol, [0, 1, 2, 3, 4]);
    await accept(sql, await publish(sql));
    const broken: Kind['compute'] = (columns, params) => {
      if (params.slow === 3) throw new Error('no value for you');
      return maCross.compute(columns, params);
    };
    const lines = await run(broken);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      service: 'classical',
      indicator_id: ids[1],
      kind: 'ma_cross',
      err: { message: 'no value for you' },
    });
    const count = async (id = 0) => (await valuesOf(sql, id)).length;
    expect(await Promise.all([count(ids[0]), count(ids[2]), count(beside)])).toEqual([5, 5, 5]);
    expect(await left()).toEqual({ pending: 5, backfills: 0, leased: 5 });
    expect(await run(broken), 'it waits until its lease ends').toEqual([]);
    await endLeases();
    await run(maCross.compute);
    expect(await count(ids[1])).toBe(5);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });

  it('computes some stored values again when nothing else is left, and not at each run', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await record(symbol, [0, 1, 2, 3, 4]);
    await catchUp(sql);
    await sql`update indicator.values set strength = strength / 2 where indicator_id = ${id} and verdict <> 0`;
    await sql`update indicator.services set checked_at = '-infinity'`;
    const store = createServiceStore(sql, 'classical');
    let draws = 0;
    const task = createTask(maCross.compute, {
      store: {
        drawValues: (most, everyMs) => {
          draws += 1;
          return store.drawValues(20 * most, everyMs);
        },
      },
    });
    await record(symbol, [5]);
    await accept(sql, await publish(sql));
    await task.run();
    await task.run();
    expect(draws).toBe(1);
    const found = await sql`select from indicator.differences where indicator_id = ${id}`;
    expect(found.length).toBeGreaterThan(0);
    await sql`select indicator.remove(${id})`;
  });

  it('stores what is computed at once before it begins with what has time', async () => {
    const symbol = await addInstrument(sql);
    const slowly = await addIndicator(sql, symbol, { fast: 2, slow: 3 });
    const atOnce = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await sql`select indicator.set_pace(${slowly}, '1 second')`;
    await catchUp(sql);
    // Closed, so both are due; the order of their bars is the other way round.
    await record(symbol, [0, 1, 2, 3, 4]);
    await accept(sql, await publish(sql));
    const steps: string[] = [];
    const store = createServiceStore(sql, 'classical');
    const task = createTask(
      (columns, params) => {
        steps.push(params.fast === 1 ? 'computed at once' : 'computed later');
        return maCross.compute(columns, params);
      },
      {
        store: {
          async recordValues(values) {
            steps.push(`stored ${[...new Set(values.map(value => value.indicatorId))]}`);
            await store.recordValues(values);
          },
        },
      },
    );
    await task.run();
    expect(steps.filter((step, index) => step !== steps[index - 1])).toEqual([
      'computed at once',
      `stored ${atOnce}`,
      'computed later',
      `stored ${slowly}`,
    ]);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });

  it('claims less when windows cannot be read in time, and as much again when they can', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    const minutes = Array.from({ length: 60 }, (_, minute) => minute);
    await record(symbol, minutes);
    await accept(sql, await publish(sql));
    const store = createServiceStore(sql, 'classical');
    const asked: number[] = [];
    let readable = 20;
    const task = createTask(maCross.compute, {
      store: {
        async claimPending(maxCandles) {
          asked.push(maxCandles);
          if (maxCandles <= readable) return store.claimPending(maxCandles);
          // As when the statement that reads them takes too long.
          await store.claimPending(maxCandles);
          await sql`do $$ begin raise exception 'too long' using errcode = '57014'; end $$`;
          return [];
        },
      },
    });
    for (let turn = 0; turn < 10; turn++) {
      await task.run().catch((error: Error & { code?: string }) => {
        expect(error.code).toBe('57014');
        return endLeases();
      });
    }
    expect(await valuesOf(sql, id)).toHaveLength(60);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
    expect(Math.min(...asked)).toBeLessThanOrEqual(readable);
    readable = 500;
    for (let turn = 0; turn < 10; turn++) await task.run();
    expect(asked.at(-1)).toBe(500);
  });

  const letters = async () => [
    ...(await sql<{ reason: string; detail: string; body: string }[]>`
      select reason, detail, body from indicator.dead_letters order by dead_letter_id`),
  ];

  it('sets aside with its reason what fails three times, and alone: it is computed when it is tried again', async () => {
    const symbol = await addInstrument(sql);
    const bad = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    await record(symbol, [0, 1, 2, 3, 4]);
    await accept(sql, await publish(sql));
    // Only the window that ends with the last one.
    const broken: Kind['compute'] = (columns, params) => {
      if (columns.close.at(-1) === 5) throw new Error('not at 5');
      return maCross.compute(columns, params);
    };
    await run(broken);
    expect(await left()).toMatchObject({ pending: 5 });
    await endLeases();
    await run(broken);
    // The window of the one before holds the last one too.
    expect(await left(), 'the others are done').toMatchObject({ pending: 2 });
    expect(await letters()).toEqual([]);
    await endLeases();
    await run(broken);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
    expect(await valuesOf(sql, bad)).toHaveLength(4);
    expect(await letters()).toHaveLength(2);
    for (const { reason, detail } of await letters()) {
      expect(reason).toBe('not_computed');
      expect(detail).toMatch(
        new RegExp(
          `^indicator ${bad} \\(ma_cross\\) cannot be computed at .*10:04:00.*: not at 5$`,
        ),
      );
    }
    const [status] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
    expect(status.faults.join()).toMatch(
      /service classical refused or set aside 2 candles and messages/,
    );
    const [redriven] = await sql`select ops.redrive('indicators.classical') as count`;
    expect(redriven).toEqual({ count: 2 });
    expect(await letters()).toEqual([]);
    await run(maCross.compute);
    expect(await valuesOf(sql, bad)).toHaveLength(5);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });

  it('stores the neighbours of a value that the database refuses', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql), await addInstrument(sql)];
    const ids: number[] = [];
    for (const symbol of symbols)
      ids.push(await addIndicator(sql, symbol, { fast: 1, slow: 2 + ids.length }));
    await catchUp(sql);
    for (const symbol of symbols) await record(symbol, [0, 1, 2, 3]);
    await accept(sql, await publish(sql));
    const tooFar: Kind['compute'] = (columns, params) => {
      const reading = maCross.compute(columns, params);
      if (reading === null || params.slow !== 3) return reading;
      return { ...reading, forecast: { horizon: 3_000_000_000, low: 1, high: 2 } };
    };
    const lines = await run(tooFar);
    expect(lines.join()).toContain(`indicator ${ids[1]} (ma_cross) cannot be computed`);
    const counts = await Promise.all(ids.map(async id => (await valuesOf(sql, id)).length));
    expect(counts, 'the two that warm up are values too').toEqual([4, 2, 4]);
    expect(await left()).toMatchObject({ pending: 4 });
    for (let tries = 0; tries < 2; tries++) {
      await endLeases();
      await run(tooFar);
    }
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
    expect(await letters()).toHaveLength(4);
    await sql`select ops.discard_dead_letters()`;
  });

  it('computes at once what lies beside a candle whose window cannot be read', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    await record(symbol, [0, 1, 2]);
    await accept(sql, await publish(sql));
    for (const bucket of ['0001-01-01 00:00:00+00', '0002-01-01 00:00:00+00']) {
      await sql`insert into indicator.pending (service, instrument_id, timeframe, side, bucket, revision)
        values ('classical', feed.instrument_id(${symbol}), '1m', 'bid', ${bucket}::text::timestamptz, 1)`;
    }
    await run(maCross.compute);
    expect(await valuesOf(sql, id)).toHaveLength(3);
    expect(await left()).toMatchObject({ pending: 2 });
    for (let tries = 0; tries < 2; tries++) {
      await endLeases();
      await run(maCross.compute);
    }
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
    expect((await letters()).map(({ detail }) => detail)).toEqual([
      expect.stringContaining('out of range'),
      expect.stringContaining('out of range'),
    ]);
    await sql`select ops.discard_dead_letters()`;
  });

  it('goes on with the other histories when one cannot be computed', async () => {
    const symbol = await addInstrument(sql);
    await record(symbol, [0, 1, 2, 3, 4]);
    const bad = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    const good = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await publish(sql);
    const lines = await run((columns, params) => {
      if (params.slow === 3 && columns.close.at(-1) === 4) throw new Error('not at 4');
      return maCross.compute(columns, params);
    });
    expect(lines.length).toBeGreaterThan(0);
    expect(await valuesOf(sql, good)).toHaveLength(5);
    expect((await valuesOf(sql, bad)).map(value => value.bars)).toEqual([1, 2, 3]);
    expect(await left()).toEqual({ pending: 0, backfills: 1, leased: 1 });
    await endLeases();
    await run(maCross.compute);
    expect(await valuesOf(sql, bad)).toHaveLength(5);
  });

  it('computes a live candle while a stretch of history is in hand', async () => {
    const live = await addInstrument(sql);
    const id = await addIndicator(sql, live, { fast: 1, slow: 2 });
    await catchUp(sql);
    for (const slow of [2, 3, 4]) {
      const symbol = await addInstrument(sql);
      await record(symbol, [0, 1, 2]);
      await addIndicator(sql, symbol, { fast: 1, slow });
    }
    await publish(sql);
    const store = createServiceStore(sql, 'classical');
    const inHistory = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const task = createTask(maCross.compute, {
      store: {
        async finishBackfill(work, reached) {
          inHistory.resolve();
          await goOn.promise;
          await store.finishBackfill(work, reached);
        },
      },
    });
    // As many jobs as come: none of them may take another history.
    const running = [task.run(), task.run(), task.run()];
    await inHistory.promise;
    await record(live, [0, 1]);
    await accept(sql, await publish(sql));
    running.push(task.run());
    await waitFor('the live value is stored', () => valuesOf(sql, id), {
      until: values => values.length === 2,
    });
    goOn.resolve();
    await Promise.all(running);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });

  it('looks at live candles between the turns of a long history', async () => {
    const live = await addInstrument(sql);
    const id = await addIndicator(sql, live, { fast: 1, slow: 2 });
    await catchUp(sql);
    const symbol = await addInstrument(sql);
    await record(
      symbol,
      Array.from({ length: 60 }, (_, minute) => minute),
    );
    await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await publish(sql);
    let turns = 0;
    const store = createServiceStore(sql, 'classical');
    await run(slow(20), {
      store: {
        async finishBackfill(work, reached) {
          turns += 1;
          if (turns === 1) {
            await record(live, [0, 1]);
            await accept(sql, await publish(sql));
          } else {
            expect(await valuesOf(sql, id), 'before any more history').toHaveLength(2);
          }
          await store.finishBackfill(work, reached);
        },
      },
    });
    expect(turns, 'a turn is a quarter of a second').toBeGreaterThan(3);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });

  it('sets a long stretch aside, keeps its lease, and computes newer candles first', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 60 });
    await record(
      symbol,
      Array.from({ length: 120 }, (_, minute) => minute),
    );
    await catchUp(sql);
    const live = await addInstrument(sql);
    const other = await addIndicator(sql, live, { fast: 1, slow: 2 });
    await catchUp(sql);
    // A late tick, which 60 values have in their window.
    await record(symbol, [60], 1);
    await accept(sql, await publish(sql));
    const store = createServiceStore(sql, 'classical');
    let kept = 0;
    let computed = 0;
    const kernel = slow(20);
    await run(
      (columns, params) => {
        if (params.slow === 60) computed += 1;
        return kernel(columns, params);
      },
      {
        store: {
          // Else the standing check may compute some of them again.
          drawValues: async () => [],
          async keepPending(ids) {
            kept += 1;
            if (kept === 1) {
              await record(live, [100, 101]);
              await accept(sql, await publish(sql));
            } else {
              expect(await valuesOf(sql, other), 'before the rest of the stretch').toHaveLength(2);
            }
            return store.keepPending(ids);
          },
        },
      },
    );
    expect(kept).toBeGreaterThan(2);
    expect(computed, 'none is computed twice').toBe(60);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
    const values = await valuesOf(sql, id);
    expect(values.map(value => value.bars)).toEqual(
      Array.from({ length: 120 }, (_, index) => Math.min(60, index + 1)),
    );
  });

  it('gives back what it does not reach when it is told to stop', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql)];
    for (const symbol of symbols) {
      await addIndicator(sql, symbol, { fast: 1, slow: 2 });
      await record(symbol, [0, 1]);
    }
    await accept(sql, await publish(sql));
    const stopping = new AbortController();
    await run(
      (columns, params) => {
        stopping.abort();
        return maCross.compute(columns, params);
      },
      { signal: stopping.signal },
    );
    expect(await left()).toMatchObject({ pending: 2, leased: 0 });
    await run(maCross.compute);
    expect(await left()).toEqual({ pending: 0, backfills: 0, leased: 0 });
  });
});
