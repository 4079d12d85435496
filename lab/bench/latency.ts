import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { totalOf } from '../harness/queue.ts';
import type { Database } from './database.ts';
import { type Figure, percentile } from './figures.ts';
import { functionFigures, functionTimes, timeFunctions } from './functions.ts';
import { dueAt, type Schedule } from './load.ts';
import { backfilled, type Pipeline, preparePipeline, settled } from './pipeline.ts';
import { type Sampler, startSampler } from './sampler.ts';
import { type Subscriber, startSubscriber } from './subscriber.ts';
import { type System, serviceNames, systemUsage, withSystem } from './system.ts';
import { cpuBetween, serverCpu } from './usage.ts';

interface Setting {
  readonly database: Database;
  readonly pipeline: Pipeline;
  readonly system: System;
  readonly subscriber: Subscriber;
}

interface Load {
  readonly part: string;
  readonly rate: number;
  readonly firstNumber: number;
  /** Seconds. */
  readonly warmUp: number;
  readonly measured: number;
}

/** How long ticks may still become values and messages after the last one was due. */
const patienceMs = 10_000;

/** Seconds. */
export const loadTimes = (isQuick: boolean) =>
  isQuick ? { warmUp: 2, measured: 4 } : { warmUp: 5, measured: 15 };

/** Milliseconds from a due tick to the message and to the value, what publishing cost, and memory. */
export async function measureLatency(database: Database, isQuick: boolean): Promise<Figure[]> {
  const pipeline = await preparePipeline(database);
  return withPipeline(database, pipeline, async setting => {
    const figures: Figure[] = [];
    let firstNumber = 1;
    for (const rate of [100, 1_000, 10_000]) {
      await settled(database.sql);
      const part = `${rate.toLocaleString('en-US')} ticks/s`;
      figures.push(
        ...(await measureRate(setting, { part, rate, firstNumber, ...loadTimes(isQuick) })),
      );
      firstNumber += 100_000;
    }
    return figures;
  });
}

/** The same at 1,000 ticks a second only, for {@link measureHistory}. */
export async function measureOneRate(
  database: Database,
  pipeline: Pipeline,
  isQuick: boolean,
): Promise<Figure[]> {
  const load = { part: 'history', rate: 1_000, firstNumber: 1, ...loadTimes(isQuick) };
  return withPipeline(database, pipeline, async setting => {
    await backfilled(database.sql, isQuick ? 5_000 : 180_000);
    await settled(database.sql);
    // What a fill of millions of rows leaves to the server is no part of what a history costs.
    await database.sql`vacuum (analyze)`;
    await database.sql`checkpoint`;
    return measureRate(setting, load);
  });
}

/** Everything runs for as long as `use` takes. */
export function withPipeline<Result>(
  database: Database,
  pipeline: Pipeline,
  use: (setting: Setting) => Promise<Result>,
): Promise<Result> {
  const { sql, url } = database;
  return withSystem({ processes: [], urlOf: () => url }, async system => {
    await timeFunctions(sql);
    const subscriber = await startSubscriber(system.queue.endpoint, 'bench', pipeline.symbols);
    system.onStop(() => subscriber.stop());
    await sql`select outbox.subscribe('bench', 'bench', timeframe => '1m')`;
    for (const name of ['upkeep', 'publish', ...serviceNames]) await system.start(name);
    return use({ database, pipeline, system, subscriber });
  });
}

/** All figures of one load. */
export async function measureRate(setting: Setting, load: Load): Promise<Figure[]> {
  const { database, pipeline, system, subscriber } = setting;
  const { sql } = database;
  const { part, rate, measured } = load;
  const { symbols, shown } = pipeline;
  const sampler = await startSampler(sql, shown);
  try {
    const ingest = await system.start('ingest');
    const schedule: Schedule = {
      startsAt: Date.now() + 500,
      rate,
      count: rate * (load.warmUp + measured),
      symbols,
      firstNumber: load.firstNumber,
    };
    const storing = ingest.ask(schedule);
    storing.catch(() => undefined);
    await sleep(schedule.startsAt + load.warmUp * 1_000 - Date.now());
    const before = await reading(setting);
    const readsBefore = sampler.reads();
    await sleep(dueAt(schedule, schedule.count) - Date.now());
    const after = await reading(setting);
    const reads = sampler.reads() - readsBefore;
    const backlog = await backlogFigures(sql, part, schedule);
    const endedAt = await allSeen(sampler, subscriber, schedule, storing);
    const first = load.warmUp * rate;
    const values = sampler.sightings.map(each => ({ ...each, seenAt: each.computedAt }));
    return [
      ...(await storedFigures(sql, part, schedule, first)),
      ...waitFigures(part, 'due -> message', waits(schedule, first, subscriber.receipts, endedAt)),
      ...waitFigures(part, 'due -> value', waits(schedule, first, values, endedAt)),
      ...waitFigures(part, 'due -> value seen', waits(schedule, first, sampler.sightings, endedAt)),
      ...backlog,
      { part, name: 'value reads', unit: '/s', value: reads / measured },
      ...costFigures(part, before, after, measured),
      ...usageFigures(part, before, after, measured),
      ...functionFigures(part, before.functions, after.functions, measured),
    ];
  } finally {
    await sampler.stop();
    await system.end('ingest');
  }
}

/** All counters at one moment. */
async function reading({ database: { sql }, system }: Setting) {
  const [row] = await sql<{ deltas: number }[]>`
    select coalesce(sum(sent_count), 0)::float8 as deltas from outbox.subscriptions`;
  const counts = await system.queue.counts();
  return {
    deltas: row?.deltas ?? 0,
    sent: totalOf(counts),
    otherRequests: counts.otherRequests,
    functions: await functionTimes(sql),
    usage: await systemUsage(system),
    serverCpu: await serverCpu(sql),
  };
}
type Reading = Awaited<ReturnType<typeof reading>>;

/** Until the newest tick of each instrument was seen as a value and in a message, or patience ends. */
async function allSeen(
  sampler: Sampler,
  subscriber: Subscriber,
  schedule: Schedule,
  storing: Promise<unknown>,
): Promise<number> {
  const last = schedule.firstNumber + schedule.count / schedule.symbols.length - 1;
  const deadline = Date.now() + patienceMs;
  await Promise.race([storing, sleep(patienceMs)]);
  for (; Date.now() < deadline; await sleep(50)) {
    await subscriber.update();
    const isSeen = (_: string, place: number): boolean =>
      sampler.newest(place) >= last && subscriber.newest(place) >= last;
    if (schedule.symbols.every(isSeen)) break;
  }
  await subscriber.update();
  return Date.now();
}

/** What was left to do in the moment in which the last tick was due. */
async function backlogFigures(sql: Sql, part: string, schedule: Schedule): Promise<Figure[]> {
  // Known when it is planned: so old chunks stay closed.
  const from = new Date(schedule.startsAt).toISOString();
  const [row] = await sql<{ stored: number; deliveries: number; pending: number }[]>`
    select (select count(*) from feed.ticks where observed_at >= ${from}::timestamptz)::float8 as stored,
      (select count(*) from outbox.deliveries)::float8 as deliveries,
      (select count(*) from indicator.pending)::float8 as pending`;
  const dueCount = Math.min(
    schedule.count,
    ((Date.now() - schedule.startsAt) * schedule.rate) / 1_000,
  );
  const name = (what: string) => `backlog at the end: ${what}`;
  return [
    {
      part,
      name: name('ticks due, not stored'),
      unit: 'ticks',
      value: Math.max(0, dueCount - (row?.stored ?? 0)),
    },
    { part, name: name('candles to send'), unit: 'candles', value: row?.deliveries ?? Number.NaN },
    { part, name: name('candles to compute'), unit: 'candles', value: row?.pending ?? Number.NaN },
  ];
}

/** The first part of the way: observed_at is when a tick was due, received_at when it was inserted. */
async function storedFigures(
  sql: Sql,
  part: string,
  schedule: Schedule,
  first: number,
): Promise<Figure[]> {
  const from = new Date(dueAt(schedule, first)).toISOString();
  const [row] = await sql<{ waits: number[] | null }[]>`
    select percentile_disc(array[0.5, 0.99]) within group (order by
      extract(epoch from t.received_at - t.observed_at)::float8 * 1000) as waits
    from feed.ticks as t where t.observed_at >= ${from}::timestamptz`;
  const [half, most] = row?.waits ?? [];
  return [
    { part, name: 'due -> tick stored, median', unit: 'ms', value: half ?? Number.NaN },
    { part, name: 'due -> tick stored, 99th percentile', unit: 'ms', value: most ?? Number.NaN },
  ];
}

interface Waits {
  readonly milliseconds: readonly number[];
  readonly uncovered: number;
}

/**
 * How long each tick from `first` on waited until one was seen that is it or a newer one of its
 * instrument. A tick that never was, waited until `endedAt` at least, and counts with that.
 */
function waits(
  schedule: Schedule,
  first: number,
  sightings: readonly { place: number; number: number; seenAt: number }[],
  endedAt: number,
): Waits {
  const { symbols, firstNumber, count } = schedule;
  const byPlace = Map.groupBy(sightings, sighting => sighting.place);
  const next = symbols.map(() => 0);
  const milliseconds: number[] = [];
  let uncovered = 0;
  for (let index = first; index < count; index++) {
    const place = index % symbols.length;
    const number = firstNumber + Math.floor(index / symbols.length);
    const own = byPlace.get(place) ?? [];
    let at = next[place] ?? 0;
    while ((own[at]?.number ?? Number.POSITIVE_INFINITY) < number) at += 1;
    next[place] = at;
    const seenAt = own[at]?.seenAt;
    if (seenAt === undefined) uncovered += 1;
    milliseconds.push((seenAt ?? endedAt) - dueAt(schedule, index));
  }
  return { milliseconds, uncovered };
}

function waitFigures(part: string, name: string, { milliseconds, uncovered }: Waits): Figure[] {
  const covered = 100 * (1 - uncovered / milliseconds.length);
  return [
    { part, name: `${name}, median`, unit: 'ms', value: percentile(milliseconds, 0.5) },
    { part, name: `${name}, 99th percentile`, unit: 'ms', value: percentile(milliseconds, 0.99) },
    { part, name: `${name}, max`, unit: 'ms', value: percentile(milliseconds, 1) },
    { part, name: `${name}, ticks covered`, unit: '%', value: covered },
  ];
}

function costFigures(part: string, before: Reading, after: Reading, seconds: number): Figure[] {
  const deltas = after.deltas - before.deltas;
  const figure = (name: string, count: number): Figure => ({
    part,
    name,
    unit: '/1,000 deltas',
    value: (count / deltas) * 1_000,
  });
  return [
    { part, name: 'deltas sent', unit: '/s', value: deltas / seconds },
    figure('send requests', after.sent.requests - before.sent.requests),
    figure('messages', after.sent.messages - before.sent.messages),
    figure('other SQS requests', after.otherRequests - before.otherRequests),
  ];
}

function usageFigures(part: string, before: Reading, after: Reading, seconds: number): Figure[] {
  const percent = (cpuSeconds: number) => (100 * cpuSeconds) / seconds;
  const own = [...after.usage].flatMap(([name, usage]): Figure[] => [
    {
      part,
      name: `CPU, ${name}`,
      unit: '% of a core',
      value: percent(usage.cpuSeconds - (before.usage.get(name)?.cpuSeconds ?? 0)),
    },
    { part, name: `memory, ${name}`, unit: 'MB at most', value: usage.peakMegabytes },
  ]);
  const server = percent(cpuBetween(before.serverCpu, after.serverCpu));
  return [...own, { part, name: 'CPU, PostgreSQL', unit: '% of a core', value: server }];
}
