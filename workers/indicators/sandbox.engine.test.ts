import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openPgPool } from '../../db/runtime/database.ts';
import { addInstrument, describeOnEngine, testLogger } from '../../tests/support/database.ts';
import { addIndicator, publish, valuesOf } from '../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { createFeed } from '../ingest/feed.ts';
import { sqlService } from './catalog.ts';
import type { Failure } from './compute.ts';
import { createSandbox, createSqlComputation, sandboxTimeoutMs } from './sandbox.ts';
import {
  type ComputedValue,
  createServiceStore,
  createSqlKindStore,
  type Definition,
  type Work,
} from './service.ts';
import { createCheck } from './tasks/check_values.ts';
import { computeValuesTask } from './tasks/compute_values.ts';
import { seriesWith } from './window.ts';

/** What a function does before it gives the last close. */
const bodies = {
  closes: 'null',
  sleeps: 'pg_sleep(case when candles[cardinality(candles)].close = 3 then 60 else 0 end)',
  spins: 'count(*) from generate_series(1, 1000000000)',
  loops: 'null; loop null; end loop',
  stays:
    'null; loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop',
  asserts: 'null; assert candles[cardinality(candles)].close <> 3',
  cancels: "null; raise sqlstate '57014' using message = 'I stop'",
  swells: "length(repeat('x', 2000000000))",
  lengthens: "set_config('statement_timeout', '0', false) || set_config('work_mem', '64', false)",
  locks: 'pg_advisory_lock(7)',
  waits: 'pg_advisory_lock(8)',
  writes: 'mine.write()',
  shouts: "null; for n in 1..1000 loop raise notice '%', repeat('x', 1000); end loop",
} as const;
/** What it gives. */
const readings = {
  verdict: 'array[1], 2, 0.5, null, null, null',
  unsaid: 'array[1], null, null, null, null, null',
  strength: 'array[1], 1, -0.5, null, null, null',
  strong: "array[1], 1, 'infinity', null, null, null",
  nothing: 'null, null, null, null, null, null',
  infinite: "array['infinity'], 0, 0, null, null, null",
  nan: "array['NaN'], 0, 0, null, null, null",
  empty: 'array[null], 0, 0, null, null, null',
  forecast: 'array[1], 0, 0, 3, 0.5, 1.5',
  backwards: 'array[1], 0, 0, 3, 1.5, 0.5',
  partly: 'array[1], 0, 0, 3, null, 0.5',
  endless: "array[1], 0, 0, 3, 0.5, 'infinity'",
} as const;

describeOnEngine('The computation of SQL functions', ({ sql, as, url }) => {
  const worker = as('foresight_indicators');
  const pool = openPgPool({
    url: url || 'postgres://nowhere',
    process: 'test',
    role: 'foresight_indicators',
    logger: testLogger,
    statementTimeout: sandboxTimeoutMs,
    maxConnections: 1,
  });
  const kinds = createSqlKindStore(worker);
  const computation = () => createSqlComputation(createSandbox(pool), kinds);
  const last = 'array[candles[cardinality(candles)].close], 0, 0, null, null, null';

  const create = (name: string, reading: string, before = 'null') =>
    sql.unsafe(`create or replace function mine.${name}(candles indicator.candle[], params jsonb)
      returns indicator.reading language plpgsql immutable
      as $$ begin perform ${before}; return row(${reading})::indicator.reading; end $$`);
  const define = (name: string, withSpread = false) => sql`
    select indicator.define_sql_kind(${name}, ${`mine.${name}`}, 'A kind', 'None',
      '[{"name": "close", "unit": "price", "pane": "price"}]', '[{"plus": 1}]', with_spread => ${withSpread})`;

  beforeAll(async () => {
    await sql`create schema mine`;
    await sql`create function mine.write() returns void language sql as
      $$ create temp table kept as select 1 as one $$`;
    const make = async (...given: Parameters<typeof create>) => {
      await create(...given);
      await define(given[0]);
    };
    for (const [name, before] of Object.entries(bodies)) await make(name, last, before);
    for (const [name, reading] of Object.entries(readings)) await make(name, reading);
  });
  afterAll(() => pool.end());

  function workOf(names: readonly string[], closes: readonly number[], isHistory = true): Work {
    const buckets = closes.map((_, minute) => secondsAfter(60 * minute));
    const column = Float64Array.from(closes);
    const absent = column.map(() => Number.NaN);
    return {
      timeframe: '1m',
      fromBucket: buckets[0] ?? '',
      toBucket: buckets.at(-1) ?? '',
      closedTo: buckets.at(-1) ?? '',
      revision: '1',
      isHistory,
      workIds: [],
      indicators: names.map(
        (kind, index): Definition => ({
          indicator_id: index + 1,
          kind,
          params: {},
          bars_required: 1,
          bars_window: 1,
        }),
      ),
      series: seriesWith(buckets, {
        open: column,
        high: column,
        low: column,
        close: column,
        average: column,
        volume: absent,
        tick_count: column.map(() => 1),
        spread: absent,
      }),
    };
  }

  async function compute(work: Work, run = computation()) {
    const values: ComputedValue[] = [];
    const failures: Failure[] = [];
    const generator = run(work, failure => failures.push(failure));
    let end: 'rests' | undefined;
    for (;;) {
      const step = await generator.next();
      if (step.done) {
        end = step.value;
        break;
      }
      values.push(step.value);
    }
    return {
      outputs: values.map(({ reading }) => reading?.outputs[0] ?? null),
      values,
      end,
      faults: failures.map(
        ({ definition, error }) => `${definition.kind}: ${(error as Error).message}`,
      ),
    };
  }

  const late = (kind: string) => `${kind}: mine.${kind} ran out of time: ${sandboxTimeoutMs} ms`;
  const rests = (kind: string) =>
    `${kind}: mine.${kind} ran out of time again and again, and rests`;

  /** Nothing goes on in the sandbox. */
  async function expectQuiet(): Promise<void> {
    const running = await sql`
      select from pg_stat_activity
      where datname = current_database() and state = 'active' and query like 'select * from indicator.evaluate%'`;
    expect(running).toHaveLength(0);
  }

  it('gives every value of every candle, history forwards and live backwards', async () => {
    const closes = Array.from({ length: 120 }, (_, place) => place + 0.1);
    const forwards = await compute(workOf(['closes'], closes));
    expect(forwards.outputs).toEqual(closes);
    expect(forwards.values.every(({ price, bars }) => price === null && bars === 1)).toBe(true);
    const backwards = await compute(workOf(['closes'], closes, false));
    expect(backwards.outputs).toEqual(closes.toReversed());
    expect(backwards.values[0]).toMatchObject({ price: 119.1, revision: '1' });
  });

  it('sees the spread only where its kind says so, whoever else has it read', async () => {
    const spread =
      'array[coalesce(candles[cardinality(candles)].spread, -1)], 0, 0, null, null, null';
    await create('blind', spread);
    await create('seeing', spread);
    await define('blind');
    await define('seeing', true);
    const work = workOf(['blind', 'seeing'], [1]);
    const columns = { ...work.series.columns, spread: Float64Array.of(7) };
    const { values } = await compute({ ...work, series: { ...work.series, columns } });
    const found = values.map(value => [value.indicatorId, value.reading?.outputs]);
    expect(found.toSorted()).toEqual([
      [1, [-1]],
      [2, [7]],
    ]);
  });

  it('leaves out the value that takes too long, and not its neighbours', async () => {
    const live = await compute(workOf(['sleeps'], [1, 2, 3, 4], false));
    expect(live.outputs).toEqual([4, 2, 1]);
    expect(live.faults).toEqual([late('sleeps')]);
  });

  it('gives up a value of history that takes too long after three tries', async () => {
    const run = computation();
    const first = await compute(workOf(['sleeps'], [1, 2, 3, 4]), run);
    expect(first).toMatchObject({ outputs: [1, 2], faults: [], end: 'rests' });
    // Where it would be claimed from.
    const rest = workOf(['sleeps'], [1, 2, 3, 4]);
    const again = () => compute({ ...rest, fromBucket: secondsAfter(120) }, run);
    expect(await again()).toMatchObject({ outputs: [], faults: [], end: 'rests' });
    const until = ({ outputs }: { outputs: unknown[] }) => outputs.length > 0;
    const last = await waitFor('it has rested', again, { until });
    expect(last).toMatchObject({ outputs: [null], faults: [late('sleeps')], end: 'rests' });
    const goesOn = () => compute({ ...rest, fromBucket: secondsAfter(180) }, run);
    const next = await waitFor('it has rested again', goesOn, { until });
    expect(next).toMatchObject({ outputs: [4], faults: [], end: undefined });
  });

  it.each(['spins', 'loops'])(
    'lets a function that never ends keep nobody for long: %s',
    async name => {
      const run = computation();
      for (const fault of [late(name), late(name), rests(name)]) {
        const { outputs, faults } = await compute(workOf([name, 'closes'], [1], false), run);
        expect(outputs).toEqual([1]);
        expect(faults).toEqual([fault]);
      }
      await expectQuiet();
    },
  );

  it('lets a history rest where it is', async () => {
    const run = computation();
    for (let turn = 0; turn < 3; turn++) {
      const { outputs, faults, end } = await compute(workOf(['spins'], [1, 2, 3, 4]), run);
      expect({ outputs, faults, end }).toEqual({ outputs: [], faults: [], end: 'rests' });
    }
    expect(await compute(workOf(['closes'], [3, 4]), run)).toMatchObject({
      outputs: [3, 4],
      end: undefined,
    });
  });

  it('ends one that keeps its statement from being cancelled', async () => {
    const run = computation();
    const { outputs, faults } = await compute(workOf(['stays', 'closes'], [1], false), run);
    expect(outputs).toEqual([1]);
    expect(faults).toEqual([late('stays')]);
    await expectQuiet();
    expect((await compute(workOf(['stays'], [1], false), run)).faults).toEqual([rests('stays')]);
  });

  it('tells of one that claims to be cancelled what it says', async () => {
    const { faults } = await compute(workOf(['cancels'], [1, 2], false));
    expect(faults).toEqual(['cancels: mine.cancels: I stop', 'cancels: mine.cancels: I stop']);
  });

  it('takes an assertion for a failure of its value', async () => {
    const { outputs, faults } = await compute(workOf(['asserts'], [1, 2, 3, 4]));
    expect(outputs).toEqual([1, 2, null, 4]);
    expect(faults).toEqual(['asserts: mine.asserts: assertion failed (P0004)']);
  });

  it('names what is larger than PostgreSQL lets a value be', async () => {
    const { faults } = await compute(workOf(['swells'], [1]));
    expect(faults).toEqual([expect.stringMatching(/^swells: mine\.swells: .*\(54000\)$/)]);
  });

  it('leaves no setting, lock or table to the next one', async () => {
    const session = async () => {
      const { rows } = await pool.query(`select current_setting('statement_timeout') as timeout,
        current_setting('work_mem') as work_mem, current_role::text as role,
        (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`);
      return rows;
    };
    const before = await session();
    expect(before).toMatchObject([{ timeout: '1s', role: 'foresight_indicators', locks: 0 }]);
    const work = workOf(['lengthens', 'locks', 'writes', 'shouts', 'closes'], [1]);
    const { outputs, faults } = await compute(work);
    expect(outputs).toEqual([1, 1, null, 1, 1]);
    expect(faults).toEqual([
      expect.stringMatching(/^writes: mine\.writes: cannot execute .* read-only/),
    ]);
    expect(await session()).toEqual(before);
    expect((await compute(workOf(['spins'], [1], false))).faults).toEqual([late('spins')]);
  });

  it('waits for a lock no longer than for anything else', async () => {
    const holder = await sql.reserve();
    try {
      await holder`select pg_advisory_lock(8)`;
      expect(await compute(workOf(['waits', 'closes'], [1], false))).toMatchObject({
        outputs: [1],
        faults: [late('waits')],
      });
    } finally {
      await holder`select pg_advisory_unlock(8)`;
      holder.release();
    }
  });

  it('gives no reading that no kind may give', async () => {
    const { values, faults } = await compute(workOf(Object.keys(readings), [1], false));
    const instead = 'where there is no value, outputs as a whole are null';
    expect(faults).toEqual([
      'verdict: mine.verdict: verdict 2 with strength 0.5',
      'unsaid: mine.unsaid: verdict null with strength null',
      'strength: mine.strength: strength -0.5 with verdict 1',
      'strong: mine.strong: strength Infinity with verdict 1',
      `infinite: mine.infinite: outputs Infinity: ${instead}`,
      `nan: mine.nan: outputs NaN: ${instead}`,
      `empty: mine.empty: outputs null: ${instead}`,
      'backwards: mine.backwards: a forecast from 1.5 to 0.5 in 3 bars',
      'partly: mine.partly: a forecast from NaN to 0.5 in 3 bars',
      'endless: mine.endless: a forecast from 0.5 to Infinity in 3 bars',
    ]);
    expect(values.map(({ reading }) => reading)).toEqual([
      null,
      { outputs: [1], verdict: 0, strength: 0, forecast: { horizon: 3, low: 0.5, high: 1.5 } },
    ]);
  });

  it('says when there is no such kind any more', async () => {
    expect((await compute(workOf(['gone', 'closes'], [1], false))).faults).toEqual([
      'gone: there is no SQL function of kind gone',
    ]);
  });

  it('runs no function that was replaced, until it is defined again', async () => {
    await create('replaced', last);
    await define('replaced');
    await create('replaced', 'array[7], 0, 0, null, null, null');
    expect((await compute(workOf(['replaced', 'closes'], [1, 2], false))).faults[0]).toBe(
      'replaced: mine.replaced: mine.replaced(indicator.candle[],jsonb) is not what it was when it was defined',
    );
    // No right value of history goes for it.
    expect(await compute(workOf(['replaced'], [1, 2]))).toMatchObject({
      outputs: [],
      faults: [expect.stringContaining('is not what it was when it was defined')],
      end: 'rests',
    });
    await define('replaced');
    expect(await compute(workOf(['replaced'], [1, 2]))).toMatchObject({
      outputs: [7, 7],
      faults: [],
    });
  });

  it('goes on with the new function when it is defined anew meanwhile', async () => {
    await create('renewed', last);
    await define('renewed');
    let reads = 0;
    const run = createSqlComputation(createSandbox(pool), {
      ...kinds,
      async read(names) {
        const found = await kinds.read(names);
        // What it has read is of the past by now.
        if (reads++ === 0) {
          await create('renewed', 'array[7], 0, 0, null, null, null');
          await define('renewed');
        }
        return found;
      },
    });
    expect(await compute(workOf(['renewed'], [1, 2]), run)).toMatchObject({
      outputs: [7, 7],
      faults: [],
    });
  });

  /** The service as it runs, and what it logged. */
  function createService() {
    const lines: string[] = [];
    const store = createServiceStore(worker, 'sql');
    const task = computeValuesTask({
      service: 'sql',
      store,
      kinds: new Map(),
      compute: computation(),
      logger: pino({}, { write: line => void lines.push(line) }),
      signal: new AbortController().signal,
    });
    /** Takes what changed, and computes what waits, whatever is leased. */
    const run = async (): Promise<string[]> => {
      const published = (await publish(sql)).filter(each => each.subscription === 'indicators.sql');
      if (published.length > 0) await store.acceptCandles(published);
      await sql`update indicator.pending set leased_until = '-infinity'`;
      await sql`update indicator.backfills set leased_until = '-infinity'`;
      await task();
      return lines.splice(0).map(line => (JSON.parse(line) as { msg: string }).msg);
    };
    return { run };
  }

  const record = (symbol: string, from: number, count: number) =>
    createFeed(sql).recordTicks(
      'manual',
      Array.from({ length: count }, (_, n) =>
        tickOf(symbol, secondsAfter((from + n) * 60), { bid: 1 + (from + n) / 3 }),
      ),
    );
  const left = async () => {
    const [row] = await sql`
      select (select count(*)::int from indicator.pending) as pending,
        (select count(*)::int from indicator.backfills) as backfills`;
    return row;
  };
  const letters = async () => [
    ...(await sql`select service, reason, detail, body from indicator.dead_letters order by dead_letter_id`),
  ];

  beforeEach(() => createServiceStore(sql, 'sql').register(sqlService));

  it('gives the same bits live, on history and anew', async () => {
    await create(
      'mean',
      `array[(select avg(c.close) / 7 + sqrt(sum(c.average)) from unnest(candles) as c)], 0, 0, null, null, null`,
    );
    await sql`select indicator.define_sql_kind('mean', 'mine.mean', 'A kind', 'None',
      '[{"name": "mean", "unit": "price", "pane": "price"}]', '[{"plus": 3}]', bars_window => '[{"plus": 20}]')`;
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, {}, { kind: 'mean' });
    const { run } = createService();
    await run();
    // In pieces, and a late one between.
    for (const [from, count] of [
      [0, 10],
      [11, 1],
      [13, 30],
      [12, 1],
      [10, 1],
      [43, 57],
    ] as const) {
      await record(symbol, from, count);
      expect(await run()).toEqual([]);
    }
    const live = await valuesOf(sql, id);
    expect(live).toHaveLength(100);
    expect(live.filter(({ outputs }) => outputs === null)).toHaveLength(2);
    await sql`select ops.recompute(${id})`;
    expect(await run()).toEqual([]);
    expect(await valuesOf(sql, id)).toEqual(live);
    await sql`select indicator.remove(${id})`;
    const again = await addIndicator(sql, symbol, {}, { kind: 'mean' });
    await run();
    expect(await valuesOf(sql, again)).toEqual(live);
    expect(await left()).toEqual({ pending: 0, backfills: 0 });
    await sql`select indicator.remove(${again})`;
  });

  it('sets aside what fails three times, beside what others of its candle give', async () => {
    const symbol = await addInstrument(sql);
    await create(
      'fails',
      last,
      "null; if candles[cardinality(candles)].close > 2 then raise 'too high'; end if",
    );
    await define('fails');
    const fails = await addIndicator(sql, symbol, {}, { kind: 'fails' });
    const beside = await addIndicator(sql, symbol, {}, { kind: 'closes' });
    const { run } = createService();
    await run();
    await record(symbol, 0, 5);
    for (let tries = 0; tries < 3; tries++) {
      const lines = await run();
      expect(lines[0]).toMatch(/^indicator \d+ \(fails\) cannot be computed at 2026-/);
      expect(await valuesOf(sql, beside)).toHaveLength(5);
    }
    expect(await left()).toEqual({ pending: 0, backfills: 0 });
    expect((await valuesOf(sql, fails)).map(({ outputs }) => outputs?.[0])).toEqual([
      1,
      1 + 1 / 3,
      1 + 2 / 3,
      2,
    ]);
    const [letter, ...more] = await letters();
    expect(more).toEqual([]);
    expect(letter).toMatchObject({
      service: 'sql',
      reason: 'not_computed',
      detail: expect.stringMatching(
        /\(fails\) cannot be computed at .*: mine\.fails: too high \(P0001\)$/,
      ),
    });
    // Mended, it is computed without another word.
    await create('fails', last);
    await define('fails');
    expect(await letters()).toEqual([]);
    expect(await run()).toEqual([]);
    expect(await valuesOf(sql, fails)).toHaveLength(5);
    expect(await letters()).toEqual([]);
    for (const id of [fails, beside]) await sql`select indicator.remove(${id})`;
  });

  it('goes on with a history that it cannot compute everywhere, and says so in one letter', async () => {
    const symbol = await addInstrument(sql);
    await record(symbol, 0, 6);
    await publish(sql);
    await create('holes', last);
    await define('holes');
    const id = await addIndicator(sql, symbol, {}, { kind: 'holes' });
    const { run } = createService();
    await run();
    expect((await valuesOf(sql, id)).every(({ outputs }) => outputs !== null)).toBe(true);
    // No value stays that the new function would not give.
    await create(
      'holes',
      last,
      "null; if candles[cardinality(candles)].close between 1.5 and 2.1 then raise 'a hole'; end if",
    );
    await define('holes');
    const lines = await run();
    expect(lines).toHaveLength(1);
    expect((await valuesOf(sql, id)).map(({ outputs }) => outputs?.[0] ?? null)).toEqual([
      1,
      1 + 1 / 3,
      null,
      null,
      1 + 4 / 3,
      1 + 5 / 3,
    ]);
    expect(await left()).toEqual({ pending: 0, backfills: 0 });
    const [letter, ...more] = await letters();
    expect(more).toEqual([]);
    expect(letter).toMatchObject({
      service: 'sql',
      reason: 'not_computed',
      detail: expect.stringMatching(
        /\(holes\) cannot be computed at .*: mine\.holes: a hole \(P0001\); nor at 1 more up to 2026-/,
      ),
      body: expect.stringContaining(`"indicator_id":${id}`),
    });
    await create('holes', last);
    await define('holes');
    await run();
    expect((await valuesOf(sql, id)).every(({ outputs }) => outputs !== null)).toBe(true);
    expect(await letters()).toEqual([]);
    await sql`select indicator.remove(${id})`;
  });

  it('is computed again by the standing check, which tells when what it calls is another', async () => {
    const symbol = await addInstrument(sql);
    // The last is 3, of which the other kind has no value.
    await record(symbol, 0, 7);
    await publish(sql);
    const factor = (value: number) =>
      sql.unsafe(
        `create or replace function mine.factor() returns float8 language sql immutable as $$ select ${value} $$`,
      );
    await factor(1);
    await create('helped', last.replace('].close', '].close * mine.factor()'));
    await define('helped');
    const id = await addIndicator(sql, symbol, {}, { kind: 'helped' });
    const asserts = await addIndicator(sql, symbol, {}, { kind: 'asserts' });
    const { run } = createService();
    await run();
    const store = createServiceStore(worker, 'sql');
    const lines: string[] = [];
    /** However short ago others were drawn. */
    const look = async () => {
      await sql`update indicator.differences set looked_at = '-infinity'`;
      await createCheck({
        service: 'sql',
        store: { ...store, drawValues: () => store.drawValues(16, 0) },
        compute: computation(),
        logger: pino({}, { write: line => void lines.push(line) }),
      })();
      return [
        ...(await sql`select distinct indicator_id, confirmed_at is not null as is_confirmed from indicator.differences`),
      ];
    };
    for (let passes = 0; passes < 5; passes++) expect(await look()).toEqual([]);
    await factor(2);
    const isTold = ({ length }: unknown[]) => length > 0;
    expect(await waitFor('it is seen', look, { until: isTold })).toEqual([
      { indicator_id: id, is_confirmed: false },
    ]);
    await waitFor('it is confirmed', look, {
      until: rows => rows.some(row => row.is_confirmed),
    });
    await expect(
      sql`select fault from indicator.faults where fault like '%indicator.differences%'`,
    ).resolves.toMatchObject([
      {
        fault: expect.stringMatching(
          /^\d values of service sql differ from what the same candles give .*\(\d+\)$/,
        ),
      },
    ]);
    await define('helped');
    await run();
    expect((await valuesOf(sql, id)).map(({ outputs }) => outputs?.[0])[3]).toBe(4);
    await waitFor('nothing differs', look, { until: rows => rows.length === 0 });
    for (const each of [id, asserts]) await sql`select indicator.remove(${each})`;
  });

  it('lets no history of a function without an end keep another', async () => {
    const symbol = await addInstrument(sql);
    await record(symbol, 0, 6);
    await publish(sql);
    const spins = await addIndicator(sql, symbol, {}, { kind: 'spins' });
    const beside = await addIndicator(sql, symbol, {}, { kind: 'closes' });
    const { run } = createService();
    await run();
    expect(await valuesOf(sql, beside)).toHaveLength(6);
    const backfills = await sql`select indicator_id from indicator.backfills`;
    expect([...backfills]).toEqual([{ indicator_id: spins }]);
    for (const id of [spins, beside]) await sql`select indicator.remove(${id})`;
  });
});
