import { setTimeout as sleep } from 'node:timers/promises';
import { GetQueueUrlCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import type { Tick } from '../workers/ingest/source.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { countMessages, type System, startSystem, type WorkerProcess } from './support/system.ts';
import { tickOf } from './support/ticks.ts';
import { expectValuesOf, registerKinds } from './support/values.ts';
import { waitFor } from './support/wait.ts';

/** Prices whose way to a value is measured, each time. */
const pulseCount = 20;
/** Messages that nobody can use, one after the other. */
const poisonCount = 2_000;
/** Forecasts with a year of hours to compute, always so many; how many live ones come meanwhile. */
const historyCount = 24;
const liveCount = 8;
/** So many of the stretches may end until a live candle, once it was taken from the queue, is a value. */
const stretchesBefore = 4;
/** Of the forecasts of live seconds. */
const period = 10;
const horizon = 5;
const modelsQueue = 'foresight-models';
/** For what waits for faults to be told, and for thousands of messages, on a machine that may be busy. */
const longMs = 300_000;
vi.setConfig({ testTimeout: longMs, hookTimeout: longMs });

const candle = {
  symbol: 'NOBODY_KNOWS',
  timeframe: '1s',
  side: 'bid',
  bucket: '2026-03-02T10:00:00Z',
  open: 1,
  high: 1,
  low: 1,
  close: 1,
  average: 1,
  sum: 1,
  volume: null,
  tick_count: 1,
  is_closed: true,
  revision: 1,
};
const message = (candles: readonly object[], version = 1) =>
  JSON.stringify({ version, subscription: 'x', sent_at: '2026-03-02T10:00:00Z', candles });
/** Ten fit into one request. */
const poison: readonly string[] = [
  'no JSON',
  'null',
  '{"version":1,"candles":',
  message([]),
  message([candle], 99),
  message([{ ...candle, open: 'high' }]),
  message([{ ...candle, symbol: 'NUL \u0000' }]),
  message([candle, { ...candle, timeframe: '7w' }, { ...candle, bucket: '9999-12-31T23:59:59Z' }]),
  message(Array.from({ length: 300 }, (_, n) => ({ ...candle, symbol: `NOBODY_${n}` }))),
  'x'.repeat(150_000),
];

// What one service suffers shows only in its own values; what each does is told by the values themselves, and how
// long the other's take is compared with how long they take without it.
describeOnEngine('A service beside one', database => {
  const { sql, engine } = database;
  const feed = createFeed(sql);
  let system: System;
  let classical: WorkerProcess;
  let models: WorkerProcess;
  /** An instrument with a price each hour of a year. */
  let yearly: string;
  let symbol: string;
  let cross: number;
  let forecast: number;
  let sent: Tick[];

  /** Without the ends of all that was refused. */
  const explain = () => system.logs().replaceAll(/^.*message refused.*$\n/gm, '');
  const start = (service: string) => system.start('indicators', ['--service', service]);

  beforeAll(async () => {
    await registerKinds(sql);
    yearly = await addYear();
    system = await startSystem(database);
    await Promise.all([system.start('upkeep'), system.start('publish')]);
    [classical, models] = await Promise.all([start('classical'), start('models')]);
  });
  afterAll(() => system.stopAll());

  // An instrument with some seconds of history, and an indicator of each service.
  beforeEach(async () => {
    symbol = await addInstrument(sql);
    cross = await add('ma_cross', { fast: 1, slow: 3 });
    forecast = await add('drift', { period, horizon });
    sent = [];
    const from = Date.now() - 120_000;
    await record(Array.from({ length: 30 }, (_, n) => ({ at: from + n * 1_000, seq: 0 })));
    await system.settled();
  });

  async function add(
    kind: string,
    params: object,
    of = { symbol, timeframe: '1s' },
  ): Promise<number> {
    const [row] = await sql<[{ id: number }]>`
      select indicator.add(${of.symbol}, ${of.timeframe}, ${kind}, ${JSON.stringify(params)}::text::jsonb, 'bid') as id`;
    return row.id;
  }

  /** Before anybody runs: what is stored later is late. */
  async function addYear(): Promise<string> {
    const added = await addInstrument(sql);
    await sql`insert into feed.ticks (instrument_id, observed_at, bid)
      select feed.instrument_id(${added}), t.at, 1 + ((37 * t.n) % 101) / 100.0
      from generate_series('2025-01-01Z', '2025-12-31 23:00Z', interval '1 hour') with ordinality as t(at, n)`;
    // What each instrument gets is of minutes, and here nobody wants it.
    await sql`select indicator.remove(indicator_id) from indicator.definitions`;
    // So a capture would do no more.
    await sql`truncate outbox.changes`;
    if (engine === 'timescaledb') {
      const levels = await sql<{ name: string }[]>`
        select feed.stored_relation(timeframe) as name from feed.timeframes order by width`;
      // All at once: a day at a time takes minutes.
      for (const { name } of levels)
        await sql`call public.refresh_continuous_aggregate(
          ${name}::text::regclass, '2025-01-01Z', '2026-01-01Z', options => '{"buckets_per_batch": 0}')`;
    }
    return added;
  }

  /** Stores a price for each of these times; none repeats the one before. */
  async function record(times: readonly { at: number; seq: number }[]): Promise<Tick[]> {
    const ticks = times.map(({ at, seq }, n) => {
      const bid = 1 + ((37 * (sent.length + n)) % 101) / 100;
      return tickOf(symbol, new Date(at).toISOString(), { seq, bid });
    });
    await feed.recordTicks('manual', ticks);
    await feed.nudge();
    sent.push(...ticks);
    return ticks;
  }

  /** Prices of now, one after the other; how many milliseconds each takes to be a value of service classical. */
  async function pulses(count = pulseCount): Promise<number[]> {
    const delays: number[] = [];
    for (let pulse = 0; pulse < count; pulse++) {
      const begunAt = performance.now();
      const [tick] = await record([{ at: Date.now(), seq: 0 }]);
      await waitFor(
        'the price is a value',
        async () => {
          const [row] = await sql<{ close: number }[]>`
            select v.outputs[2] as close from indicator.values as v
            where v.indicator_id = ${cross}
              and v.bucket = date_trunc('second', ${tick?.observedAt ?? ''}::text::timestamptz)`;
          return row?.close;
        },
        { until: close => close === tick?.bid, explain },
      );
      delays.push(performance.now() - begunAt);
    }
    return delays;
  }

  /**
   * As fresh as before and after, on a machine that may be busy. Who is in another's way costs it more: a lost
   * nudge two seconds, a request without an answer five, a lease ten.
   */
  function expectAsFresh(what: string, during: readonly number[], without: readonly number[][]) {
    const usual = Math.max(...without.map(median));
    console.info(
      `${engine}, beside one that ${what}: ${median(during).toFixed(0)} ms to a value, else ${usual.toFixed(0)}`,
    );
    expect(median(during)).toBeLessThan(3 * usual + 1_000);
    expect(classical.log()).toBe('');
  }

  async function faults(): Promise<readonly string[]> {
    const [row] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
    return row.faults;
  }

  /** Every candle has its value of both services, and computed anew from the stored candles it is the same. */
  async function expectNothingLost(): Promise<void> {
    await waitFor('all seconds are closed and computed', forecastsThatDiffer, {
      until: rows => rows.length === 0,
      deadlineMs: 60_000,
      explain,
    });
    await system.settled(60_000);
    expect(await expectValuesOf(sql, symbol, sent)).toBeGreaterThan(20);
    const before = await storedValues();
    for (const id of [cross, forecast]) await sql`select ops.recompute(${id})`;
    await system.settled(60_000);
    expect(await storedValues()).toEqual(before);
    expect(await forecastsThatDiffer()).toEqual([]);
  }

  const storedValues = () => sql`
    select indicator_id, bucket, value, outputs, verdict, strength, low, high, bars from indicator.values
    where indicator_id in (${cross}, ${forecast}) order by indicator_id, bucket`;

  /** Drift is the mean move from the first to the last close of the window, so often as bars are ahead. */
  const forecastsThatDiffer = (
    of = { id: forecast, symbol, timeframe: '1s', period, horizon },
  ) => sql`
    select coalesce(v.bucket, c.bucket) as bucket, v.value, c.expected
    from (
      select c.bucket, case when count(*) over w = ${of.period} then
          c.close + ${of.horizon}::int * (c.close - first_value(c.close) over w) / ${of.period - 1}::int end as expected
      from feed.candles(${of.symbol}, ${of.timeframe}, 'bid') as c
      window w as (order by c.bucket rows ${of.period - 1}::int preceding)
    ) as c
    full join (select v.* from indicator.values as v where v.indicator_id = ${of.id}) as v using (bucket)
    where v.bucket is null or c.bucket is null or num_nulls(v.value, c.expected) = 1
      or abs(v.value - c.expected) > 1e-12 * c.expected`;

  /** Writes down in which order service models takes candles, stores their values, and gets further with history. */
  async function noteOrder(): Promise<void> {
    await sql`create table public.notes (n bigint generated always as identity, what text, bucket timestamptz)`;
    await sql`create function public.note() returns trigger language plpgsql as $$
      begin
        if tg_argv[0] = 'stretch' then
          insert into public.notes (what) values ('stretch');
        else
          insert into public.notes (what, bucket) values (tg_argv[0], new.bucket);
        end if;
        return null;
      end $$`;
    await sql`create trigger note after update of progressed_at on indicator.backfills
      for each row execute function public.note('stretch')`;
    await sql`create trigger note after insert on indicator.pending
      for each row when (new.service = 'models') execute function public.note('taken')`;
    await sql.unsafe(`create trigger note after insert on indicator.values
      for each row when (new.indicator_id = ${forecast}) execute function public.note('value')`);
  }

  async function endNotes(): Promise<void> {
    for (const table of ['backfills', 'pending', 'values'])
      await sql`drop trigger note on indicator.${sql(table)}`;
  }

  /** For each live candle that has become a value: how many stretches of history were done since it was taken. */
  async function stretchesUntilValues(): Promise<number[]> {
    const rows = await sql<{ stretches: number }[]>`
      select (select count(*)::int from public.notes as s
        where s.what = 'stretch' and s.n between t.n and v.n) as stretches
      from (select bucket, min(n) as n from public.notes where what = 'taken' group by 1) as t
      join (select bucket, min(n) as n from public.notes where what = 'value' group by 1) as v using (bucket)`;
    return rows.map(row => row.stretches);
  }

  const historiesLeft = async () => {
    const [row] = await sql<[{ count: number }]>`
      select count(*)::int from indicator.backfills where service = 'models'`;
    return row.count;
  };

  it('that is killed stays fresh and blameless, and the killed one makes up for all it missed', async () => {
    const before = await pulses();
    await models.kill9();
    const history = sent.slice(0, 30);
    // Candles that change meanwhile, and an indicator that is added.
    await record(
      history.slice(5, 15).map(({ observedAt }) => ({ at: Date.parse(observedAt), seq: 1 })),
    );
    const late = await add('drift', { period: 12, horizon: 1 });
    const named = new Set<string>();
    const during: number[] = [];
    const must = [
      /^service models is not running$/,
      /^\d+ indicators of service models have been behind their candles since /,
    ];
    await waitFor(
      'ops.status names it',
      async () => {
        during.push(...(await pulses(5)));
        const told = await faults();
        for (const fault of told) named.add(fault);
        return told;
      },
      {
        until: told => must.every(pattern => told.some(fault => pattern.test(fault))),
        deadlineMs: 60_000,
        explain,
      },
    );
    expect([...named].filter(fault => /classical|publish|upkeep/.test(fault))).toEqual([]);

    models = await start('models');
    const after = await pulses();
    await waitFor('it is not named any more', faults, {
      until: told => !told.some(fault => /service models/.test(fault)),
      deadlineMs: 60_000,
      explain,
    });
    expectAsFresh('is killed', during, [before, after]);
    await expectNothingLost();
    const [row] = await sql<[{ missing: number }]>`
      select count(*)::int as missing from indicator.values as v
      where v.indicator_id = ${forecast} and not exists (
        select from indicator.values as l where l.indicator_id = ${late} and l.bucket = v.bucket)`;
    expect(row.missing, 'values of the one that was added').toBe(0);
  });

  it('whose queue is poisoned stays fresh and blameless, and so do the values that the queue asks for', async () => {
    const before = await pulses();
    const { QueueUrl } = await system.sqs.send(new GetQueueUrlCommand({ QueueName: modelsQueue }));
    let poisoned = 0;
    let isOver = false;
    const poisoning = (async () => {
      while (!isOver || poisoned < poisonCount) {
        const Entries = poison.map((MessageBody, n) => ({ Id: String(n), MessageBody }));
        await system.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
        poisoned += poison.length;
        // It never becomes empty, and what is sent to it is no further behind than that.
        await waitFor('room for more', () => countMessages(system.sqs, modelsQueue), {
          until: count => count < 200,
          explain,
        });
      }
    })();
    const named = new Set<string>();
    const during: number[] = [];
    while (during.length < 2 * pulseCount) {
      during.push(...(await pulses(5)));
      for (const fault of await faults()) named.add(fault);
    }
    const [last] = sent.slice(-1);
    await waitFor(
      'a forecast comes through',
      async () => {
        const [row] = await sql`select from indicator.values as v
          where v.indicator_id = ${forecast} and v.value is not null
            and v.bucket = date_trunc('second', ${last?.observedAt ?? ''}::text::timestamptz)`;
        return row;
      },
      { explain },
    );
    isOver = true;
    await poisoning;
    const ofServices = [...named].filter(fault => /classical|models/.test(fault));
    expect(ofServices.filter(fault => !isRefusal(fault))).toEqual([]);
    const after = await pulses();
    expectAsFresh(`has ${poisoned} messages of poison in its queue`, during, [before, after]);
    await expectNothingLost();
    expect(models.isGone()).toBe(false);
  });

  it('that has a year of history to compute stays fresh and blameless, and so do live values beside it', async () => {
    const before = await pulses();
    await noteOrder();
    const ofYear = { symbol: yearly, timeframe: '1h' };
    const histories: (typeof ofYear & { id: number; period: number; horizon: number })[] = [];
    let isOver = false;
    const keepUnderWay = async () => {
      for (let left = await historiesLeft(); left < historyCount; left++) {
        const params = { period: period + histories.length, horizon };
        histories.push({ ...ofYear, ...params, id: await add('drift', params, ofYear) });
      }
    };
    await keepUnderWay();
    await waitFor('history is under way', async () => {
      const [row] = await sql`select from public.notes where what = 'stretch'`;
      return row;
    });
    // Beside the prices, as on a fast machine a history ends sooner than a price is a value.
    const keeping = (async () => {
      while (!isOver) {
        await keepUnderWay();
        await sleep(100);
      }
    })();
    const named = new Set<string>();
    const during: number[] = [];
    try {
      while ((await stretchesUntilValues()).length < liveCount) {
        during.push(...(await pulses(5)));
        for (const fault of await faults()) named.add(fault);
        expect(await historiesLeft(), 'it was under way all the time').toBeGreaterThan(0);
      }
    } finally {
      isOver = true;
      await keeping;
    }
    const stretches = await stretchesUntilValues();
    console.info(`${engine}, stretches of history until a live candle is a value: ${stretches}`);
    expect(Math.max(...stretches)).toBeLessThanOrEqual(stretchesBefore);
    const ofServices = [...named].filter(fault => /classical|models/.test(fault));
    expect(ofServices.filter(fault => !isRefusal(fault))).toEqual([]);

    // Some are gone on with to their end.
    const kept = histories.splice(-2);
    for (const { id } of histories) await sql`select indicator.remove(${id})`;
    await system.settled(longMs / 2);
    await endNotes();
    expectAsFresh('has a year to compute', during, [before, await pulses()]);
    await expectNothingLost();
    for (const each of kept) expect(await forecastsThatDiffer(each)).toEqual([]);
  });
});

/** It does its work all the same. */
const isRefusal = (fault: string) => /^service models refused or set aside /.test(fault);

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
