import type { Sql } from '../db/runtime/database.ts';
import { sleep } from '../db/runtime/process.ts';
import { type Child, startChild, startWorker } from './child.ts';
import { functionFigures, functionTimes, timeFunctions } from './functions.ts';
import { dueAt, type Schedule } from './load.ts';
import { type Pipeline, type PipelineOptions, preparePipeline, settled } from './pipeline.ts';
import { type CountedQueue, startQueue } from './queue.ts';
import { type Figure, percentile } from './report.ts';
import { type Sampler, startSampler } from './sampler.ts';
import type { Database } from './server.ts';
import { type BenchSubscriber, startSubscriber } from './subscriber.ts';

interface Setting {
  readonly database: Database;
  readonly queue: CountedQueue;
  readonly pipeline: Pipeline;
  readonly subscriber: BenchSubscriber;
  readonly workers: ReadonlyMap<string, Child>;
}

interface Load {
  readonly part: string;
  readonly rate: number;
  readonly firstNumber: number;
  /** Seconds. */
  readonly warmUp: number;
  readonly measured: number;
}

/** Milliseconds from a due tick to its message and to its indicator's value, and what that cost. */
export async function measureLatency(database: Database, isQuick: boolean): Promise<Figure[]> {
  return withSystem(database, {}, async setting => {
    const figures: Figure[] = [];
    let firstNumber = 1;
    for (const rate of [100, 1_000, 10_000]) {
      const times = isQuick ? { warmUp: 3, measured: 6 } : { warmUp: 5, measured: 20 };
      figures.push(
        ...(await measureRate(setting, { part: `${rate} ticks/s`, rate, firstNumber, ...times })),
      );
      firstNumber += 100_000;
    }
    return figures;
  });
}

/** The real publisher and indicators around a database with history and somebody who subscribed. */
export async function withSystem(
  database: Database,
  options: PipelineOptions,
  use: (setting: Setting) => Promise<Figure[]>,
): Promise<Figure[]> {
  const pipeline = await preparePipeline(database, options);
  await timeFunctions(database.sql);
  const queue = await startQueue();
  const closers: (() => Promise<void>)[] = [() => queue.stop()];
  try {
    const subscriber = await startSubscriber(queue.endpoint, 'bench-watch', pipeline.symbols);
    closers.push(() => subscriber.stop());
    await database.sql`select outbox.subscribe('bench-watch', 'bench-watch', null, '1s')`;
    const workers = new Map<string, Child>();
    for (const name of ['publish', 'indicators'] as const) {
      const worker = await startWorker(name, database.url, queue.endpoint);
      workers.set(name, worker);
      closers.push(() => worker.stop());
    }
    return await use({ database, queue, pipeline, subscriber, workers });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

export async function measureRate(
  { database, queue, pipeline, subscriber, workers }: Setting,
  load: Load,
): Promise<Figure[]> {
  const { sql, url } = database;
  const { symbols, shown } = pipeline;
  const { part } = load;
  await settled(sql);
  const sampler = await startSampler(sql, shown);
  const cost = async () => {
    const [row] = await sql<{ deltas: number }[]>`
      select coalesce(sum(sent_count), 0)::float8 as deltas from outbox.subscriptions`;
    return { ...(await queue.counts()), deltas: row?.deltas ?? 0 };
  };
  const schedule: Schedule = {
    startsAt: Date.now() + 1_500,
    rate: load.rate,
    count: load.rate * (load.warmUp + load.measured),
    symbols,
    firstNumber: load.firstNumber,
  };
  const loading = await startChild('bench/load.main.ts', { PATH: process.env.PATH }, [
    url,
    JSON.stringify(schedule),
  ]);
  try {
    const stored = loading.ask('wait');
    await sleep(schedule.startsAt + load.warmUp * 1_000 - Date.now());
    const before = await cost();
    const timesBefore = await functionTimes(sql);
    await stored;
    const after = await cost();
    const timesAfter = await functionTimes(sql);
    await allSeen(sampler, schedule);
    const first = load.warmUp * load.rate;
    return [
      ...(await storedFigures(sql, load, schedule, first)),
      ...latencyFigures(
        { part, what: 'message' },
        schedule,
        first,
        await subscriber.arrivals(),
        arrival => arrival.seenAt,
      ),
      ...latencyFigures(
        { part, what: 'value' },
        schedule,
        first,
        sampler.sightings,
        sighting => sighting.computedAt,
      ),
      ...costFigures(part, before, after, load.measured),
      ...[...workers].map(([name, worker]) => memoryFigure(part, name, worker)),
      memoryFigure(part, 'ingest', loading),
      ...functionFigures(part, timesBefore, timesAfter, load.measured),
    ];
  } finally {
    await loading.stop();
    await sampler.stop();
  }
}

/** Until the newest tick of each instrument was seen as a value, or half a minute has passed. */
async function allSeen(sampler: Sampler, schedule: Schedule): Promise<void> {
  const last = schedule.firstNumber + schedule.count / schedule.symbols.length - 1;
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    if (schedule.symbols.every((_, place) => sampler.newest(place) >= last)) break;
  }
  // The message may come a moment after the value.
  await sleep(500);
}

/** The first part of the way: observed_at is when a tick was due, received_at when it was inserted. */
async function storedFigures(
  sql: Sql,
  { part }: Load,
  schedule: Schedule,
  first: number,
): Promise<Figure[]> {
  const from = new Date(dueAt(schedule, first)).toISOString();
  const [row] = await sql<{ waits: number[] | null }[]>`
    select percentile_disc(array[0.5, 0.99]) within group (order by
      extract(epoch from t.received_at - t.observed_at)::float8 * 1000) as waits
    from feed.ticks as t where t.observed_at >= ${from}::text::timestamptz`;
  const [half, most] = row?.waits ?? [];
  return [
    { part, name: 'due -> tick stored, median', unit: 'ms', value: half ?? Number.NaN },
    { part, name: 'due -> tick stored, 99th percentile', unit: 'ms', value: most ?? Number.NaN },
  ];
}

/** From when each tick was due to the first thing seen that has it or a later one of its instrument. */
function latencyFigures<Seen extends { readonly place: number; readonly number: number }>(
  { part, what }: { part: string; what: string },
  schedule: Schedule,
  first: number,
  seen: readonly Seen[],
  timeOf: (seen: Seen) => number,
): Figure[] {
  const { symbols, firstNumber, count } = schedule;
  const byPlace = Map.groupBy(seen, each => each.place);
  const next = symbols.map(() => 0);
  const waits: number[] = [];
  let uncovered = 0;
  for (let index = first; index < count; index++) {
    const place = index % symbols.length;
    const number = firstNumber + Math.floor(index / symbols.length);
    const own = byPlace.get(place) ?? [];
    let at = next[place] ?? 0;
    while ((own[at]?.number ?? Number.POSITIVE_INFINITY) < number) at += 1;
    next[place] = at;
    const found = own[at];
    if (found === undefined) uncovered += 1;
    else waits.push(timeOf(found) - dueAt(schedule, index));
  }
  const figure = (name: string, fraction: number): Figure => ({
    part,
    name: `due -> ${what}, ${name}`,
    unit: 'ms',
    value: percentile(waits, fraction),
  });
  return [
    figure('median', 0.5),
    figure('99th percentile', 0.99),
    figure('max', 1),
    {
      part,
      name: `ticks without a ${what}`,
      unit: '% of ticks',
      value: (100 * uncovered) / (count - first),
    },
  ];
}

type Cost = Record<'sendRequests' | 'messages' | 'otherRequests' | 'deltas', number>;

function costFigures(part: string, before: Cost, after: Cost, seconds: number): Figure[] {
  const deltas = after.deltas - before.deltas;
  const per = (what: keyof Cost): number => ((after[what] - before[what]) / deltas) * 1_000;
  return [
    { part, name: 'deltas sent', unit: '/s', value: deltas / seconds },
    { part, name: 'send requests', unit: '/1,000 deltas', value: per('sendRequests') },
    { part, name: 'messages', unit: '/1,000 deltas', value: per('messages') },
    { part, name: 'other SQS requests', unit: '/1,000 deltas', value: per('otherRequests') },
  ];
}

function memoryFigure(part: string, name: string, child: Child): Figure {
  return {
    part,
    name: `largest memory of ${name}`,
    unit: 'MB',
    value: child.peakMemory() / 2 ** 20,
  };
}
