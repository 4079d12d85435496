import { openDatabase, type Sql } from '../db/runtime/database.ts';
import { sleep } from '../db/runtime/process.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { ingest } from '../workers/ingest/ingest.ts';
import { startWorker } from './child.ts';
import { functionFigures, functionTimes, timeFunctions } from './functions.ts';
import { dueAt, type Schedule, scheduledSource } from './load.ts';
import { type Pipeline, preparePipeline, settled } from './pipeline.ts';
import { type CountedQueue, startQueue } from './queue.ts';
import { type Figure, percentile } from './report.ts';
import { type Sampler, startSampler } from './sampler.ts';
import { benchLogger, type Database } from './server.ts';

interface Setting {
  readonly database: Database;
  readonly queue: CountedQueue;
  readonly pipeline: Pipeline;
}

/** Milliseconds from a due tick to its indicator's value, and what the publishing of it cost. */
export async function measureLatency(database: Database, isQuick: boolean): Promise<Figure[]> {
  const pipeline = await preparePipeline(database);
  await timeFunctions(database.sql);
  const queue = await startQueue();
  const closers: (() => Promise<void>)[] = [() => queue.stop()];
  try {
    for (const name of ['publish', 'indicators'] as const) {
      const worker = await startWorker(name, database.url, queue.endpoint);
      closers.push(() => worker.stop());
    }
    const setting = { database, queue, pipeline };
    const figures: Figure[] = [];
    let firstNumber = 1;
    for (const rate of [100, 1_000]) {
      await settled(database.sql);
      const times = isQuick ? { warmUp: 3, measured: 6 } : { warmUp: 5, measured: 15 };
      figures.push(...(await measureRate(setting, { rate, firstNumber, ...times })));
      firstNumber += 100_000;
    }
    return figures;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function measureRate(
  { database, queue, pipeline }: Setting,
  load: { rate: number; firstNumber: number; warmUp: number; measured: number },
): Promise<Figure[]> {
  const { sql, url } = database;
  const { symbols, shown } = pipeline;
  const schedule: Schedule = {
    startsAt: Date.now() + 500,
    rate: load.rate,
    count: load.rate * (load.warmUp + load.measured),
    symbols,
    firstNumber: load.firstNumber,
  };
  const connection = openDatabase({
    url,
    process: 'bench ingest',
    role: 'foresight_ingest',
    logger: benchLogger,
  });
  const sampler = await startSampler(sql, shown);
  const cost = async () => {
    const [row] = await sql<{ deltas: number }[]>`
      select coalesce(sum(sent_count), 0)::float8 as deltas from outbox.subscriptions`;
    return { ...(await queue.counts()), deltas: row?.deltas ?? 0 };
  };
  const stopping = new AbortController();
  try {
    const feed = createFeed(connection);
    const source = scheduledSource(schedule);
    const { signal } = stopping;
    const sending = ingest({ source, symbols, feed, logger: benchLogger, signal });
    sending.catch(() => undefined);
    await sleep(schedule.startsAt + load.warmUp * 1_000 - Date.now());
    const before = await cost();
    const timesBefore = await functionTimes(sql);
    const readsBefore = sampler.reads();
    await sending;
    const after = await cost();
    const timesAfter = await functionTimes(sql);
    const reads = sampler.reads() - readsBefore;
    await allSeen(sampler, schedule);
    const first = load.warmUp * load.rate;
    return [
      ...(await storedFigures(sql, schedule, first)),
      ...latencyFigures(schedule, first, sampler),
      { part: partOf(load.rate), name: 'value reads', unit: '/s', value: reads / load.measured },
      ...costFigures(load.rate, before, after, load.measured),
      ...functionFigures(partOf(load.rate), timesBefore, timesAfter, load.measured),
    ];
  } finally {
    stopping.abort();
    await sampler.stop();
    await connection.end({ timeout: 2 });
  }
}

const partOf = (rate: number): string => `${rate} ticks/s`;

/** Until the newest tick of each instrument was seen as a value, or ten seconds have passed. */
async function allSeen(sampler: Sampler, schedule: Schedule): Promise<void> {
  const last = schedule.firstNumber + schedule.count / schedule.symbols.length - 1;
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
    if (schedule.symbols.every((_, place) => sampler.newest(place) >= last)) return;
  }
}

/** The first part of the way: observed_at is when a tick was due, received_at when it was inserted. */
async function storedFigures(sql: Sql, schedule: Schedule, first: number): Promise<Figure[]> {
  const from = new Date(dueAt(schedule, first)).toISOString();
  const [row] = await sql<{ waits: number[] | null }[]>`
    select percentile_disc(array[0.5, 0.99]) within group (order by
      extract(epoch from t.received_at - t.observed_at)::float8 * 1000) as waits
    from feed.ticks as t where t.observed_at >= ${from}::text::timestamptz`;
  const [half, most] = row?.waits ?? [];
  const part = partOf(schedule.rate);
  return [
    { part, name: 'due -> tick stored, median', unit: 'ms', value: half ?? Number.NaN },
    { part, name: 'due -> tick stored, 99th percentile', unit: 'ms', value: most ?? Number.NaN },
  ];
}

function latencyFigures(schedule: Schedule, first: number, sampler: Sampler): Figure[] {
  const { symbols, firstNumber, count } = schedule;
  const bySymbol = Map.groupBy(sampler.sightings, sighting => sighting.place);
  const next = symbols.map(() => 0);
  const stored: number[] = [];
  const seen: number[] = [];
  let uncovered = 0;
  for (let index = first; index < count; index++) {
    const place = index % symbols.length;
    const number = firstNumber + Math.floor(index / symbols.length);
    const own = bySymbol.get(place) ?? [];
    let at = next[place] ?? 0;
    while ((own[at]?.number ?? Number.POSITIVE_INFINITY) < number) at += 1;
    next[place] = at;
    const sighting = own[at];
    if (sighting === undefined) {
      uncovered += 1;
      continue;
    }
    stored.push(sighting.computedAt - dueAt(schedule, index));
    seen.push(sighting.seenAt - dueAt(schedule, index));
  }
  const part = partOf(schedule.rate);
  const figure = (name: string, values: readonly number[], fraction: number): Figure => ({
    part,
    name,
    unit: 'ms',
    value: percentile(values, fraction),
  });
  return [
    figure('due -> value, median', stored, 0.5),
    figure('due -> value, 99th percentile', stored, 0.99),
    figure('due -> value, max', stored, 1),
    figure('due -> value seen, median', seen, 0.5),
    figure('due -> value seen, 99th percentile', seen, 0.99),
    { part, name: 'ticks measured', unit: 'ticks', value: count - first },
    { part, name: 'ticks without a value', unit: 'ticks', value: uncovered },
  ];
}

type Cost = Record<'sendRequests' | 'messages' | 'otherRequests' | 'deltas', number>;

function costFigures(rate: number, before: Cost, after: Cost, seconds: number): Figure[] {
  const deltas = after.deltas - before.deltas;
  const per = (what: keyof Cost): number => ((after[what] - before[what]) / deltas) * 1_000;
  const figure = (name: string, unit: string, value: number): Figure => ({
    part: partOf(rate),
    name,
    unit,
    value,
  });
  return [
    figure('deltas sent', '/s', deltas / seconds),
    figure('send requests', '/1,000 deltas', per('sendRequests')),
    figure('messages', '/1,000 deltas', per('messages')),
    figure('other SQS requests', '/1,000 deltas', per('otherRequests')),
  ];
}
