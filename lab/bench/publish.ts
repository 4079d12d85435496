import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { maxMessageBytes } from '../../workers/messages.ts';
import { combine, noCounts, type SendCounts } from '../harness/queue.ts';
import type { Database } from './database.ts';
import type { Figure } from './figures.ts';
import type { Schedule } from './load.ts';
import { fillHistory, instrumentCount, published } from './pipeline.ts';
import { type System, withSystem } from './system.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const part = 'publish';
const ticksPerSecond = 200;
/** What a consumer of a moving window keeps, and would be sent again each minute. */
const windowCandles = 100;

interface Scenario {
  readonly name: string;
  readonly queue: string;
  readonly timeframes: readonly string[] | null;
  readonly sides: readonly string[];
  readonly closedOnly?: boolean;
  readonly formingEvery?: string;
}

const allSides = ['bid', 'ask', 'mid'];
const scenarios: readonly Scenario[] = [
  { name: 'all, forming at once', queue: 'all', timeframes: null, sides: allSides },
  {
    name: 'all, forming each second',
    queue: 'paced',
    timeframes: null,
    sides: allSides,
    formingEvery: '1 s',
  },
  {
    name: 'all, closed only',
    queue: 'closed',
    timeframes: null,
    sides: allSides,
    closedOnly: true,
  },
  { name: '1m mid, forming at once', queue: 'minute', timeframes: ['1m'], sides: ['mid'] },
  {
    name: '1m mid, forming each second',
    queue: 'minute-paced',
    timeframes: ['1m'],
    sides: ['mid'],
    formingEvery: '1 s',
  },
];

/** SQS requests and messages of subscriptions of several kinds, one at a time, 20 instruments each. */
export async function measurePublish(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const seconds = isQuick ? 3 : 15;
  const ids = await addInstruments(sql, instrumentCount);
  await fillHistory(database, ids, { hours: 0.25, budgetMs: 60_000 });
  const processes = ['upkeep', 'publish', 'ingest'];
  return withSystem({ processes, urlOf: () => url, inspects: true }, async system => {
    const figures: Figure[] = [];
    // Beside the others and as long as all of them, since a minute ends only once a minute.
    await sql`select outbox.subscribe('minute-closed', 'minute-closed', timeframe => '1m', closed_only => true)`;
    for (const scenario of scenarios) {
      figures.push(...(await measureScenario(sql, system, scenario, [...ids.keys()], seconds)));
    }
    const closed = (await system.queue.counts()).queues['minute-closed'] ?? noCounts;
    const minutes = closed.candles / instrumentCount;
    figures.push(...windowFigures('1m mid, closed only', closed, minutes, 'minute'));
    await sql`select outbox.unsubscribe('minute-closed')`;
    figures.push(...(await measureDrains(database, system)));
    return figures;
  });
}

async function measureScenario(
  sql: Sql,
  system: System,
  scenario: Scenario,
  symbols: readonly string[],
  seconds: number,
): Promise<Figure[]> {
  const { name, queue, timeframes, sides, closedOnly = false, formingEvery = '0' } = scenario;
  await sql`select outbox.subscribe(${queue}, ${queue}, symbols => null::text[],
    timeframes => ${timeframes as string[] | null}::text[], sides => ${sides as string[]}::text[],
    closed_only => ${closedOnly}, forming_every => ${formingEvery}::text::interval)`;
  const warmUp = 2;
  const schedule: Schedule = {
    startsAt: Date.now() + 200,
    rate: ticksPerSecond,
    count: ticksPerSecond * (warmUp + seconds),
    symbols,
    firstNumber: 1 + 10_000 * scenarios.indexOf(scenario),
  };
  const child = system.children.get('ingest');
  if (child === undefined) throw new Error('ingest does not run');
  const storing = child.ask(schedule);
  storing.catch(() => undefined);
  const sent = async (): Promise<SendCounts> => {
    const { queues } = await system.queue.counts();
    return queues[queue] ?? noCounts;
  };
  await sleep(schedule.startsAt + warmUp * 1_000 - Date.now());
  const before = await sent();
  const startedAt = performance.now();
  await sleep(seconds * 1_000);
  const counts = combine(await sent(), before, (a, b) => a - b);
  const elapsed = (performance.now() - startedAt) / 1_000;
  await storing;
  await sql`select outbox.unsubscribe(${queue})`;
  return [
    ...sendFigures(name, counts, elapsed),
    ...(formingEvery === '1 s' && timeframes !== null
      ? windowFigures(name, counts, elapsed, 'second')
      : []),
  ];
}

function sendFigures(name: string, counts: SendCounts, seconds: number): Figure[] {
  const per = (count: number): number => (1_000 * count) / counts.candles;
  const unit = '/1,000 deltas';
  return [
    { part, name: `${name}: deltas`, unit: '/s', value: counts.candles / seconds },
    { part, name: `${name}: send requests`, unit, value: per(counts.requests) },
    { part, name: `${name}: messages`, unit, value: per(counts.messages) },
    { part, name: `${name}: bytes`, unit: 'a delta', value: counts.bytes / counts.candles },
    { part, name: `${name}: sent again, unchanged`, unit: 'deltas', value: counts.repeats },
  ];
}

/**
 * Beside sending the last 100 candles of each series whenever `window` says: what a consumer would need
 * that is told no changes. As bytes and messages of one for one of the other.
 */
function windowFigures(
  name: string,
  counts: SendCounts,
  windows: number,
  window: string,
): Figure[] {
  const windowBytes = (windowCandles * instrumentCount * counts.bytes) / counts.candles;
  const unit = `of a window each ${window}`;
  const messages = Math.ceil(windowBytes / maxMessageBytes) * windows;
  return [
    { part, name: `${name}: bytes`, unit, value: counts.bytes / (windowBytes * windows) },
    { part, name: `${name}: messages`, unit, value: counts.messages / messages },
  ];
}

/** One subscription that wants the history, and one that was paused while a quarter of an hour came in. */
async function measureDrains(database: Database, system: System): Promise<Figure[]> {
  const { sql } = database;
  const counts = async (queue: string): Promise<SendCounts> =>
    (await system.queue.counts()).queues[queue] ?? noCounts;
  const patienceMs = 120_000;

  let startedAt = performance.now();
  await sql`select outbox.subscribe('history', 'history', from_time => now() - interval '15 minutes')`;
  await caughtUp(sql, patienceMs);
  const historySeconds = (performance.now() - startedAt) / 1_000;
  const history = await counts('history');
  await sql`select outbox.unsubscribe('history')`;

  await sql`select outbox.subscribe('backlog', 'backlog')`;
  await sql`select outbox.pause('backlog')`;
  await copyQuarter(database);
  await captured(sql, patienceMs);
  startedAt = performance.now();
  await sql`select outbox.resume('backlog')`;
  await published(sql, patienceMs);
  const backlogSeconds = (performance.now() - startedAt) / 1_000;
  return [
    ...sendFigures('history of all mid candles', history, historySeconds),
    ...sendFigures('backlog of all mid candles', await counts('backlog'), backlogSeconds),
  ];
}

/** A quarter of an hour of ticks, one a second and instrument, an hour ago. */
async function copyQuarter({ sql, url }: Database): Promise<void> {
  const rows = await sql<{ symbol: string; instrument_id: number }[]>`
    select symbol, instrument_id from feed.instruments order by symbol`;
  const ids = new Map(rows.map(row => [row.symbol, row.instrument_id]));
  const from = (Date.now() - 4_500_000) * 1_000;
  const symbols = [...ids.keys()];
  const client = await openClient(url);
  try {
    const ticks = marketTicks({ symbols, from, count: 900 * symbols.length, perSecond: 1 });
    await copyTicks(client, 'feed.ticks', toCopyText(ticks, ids));
  } finally {
    await client.end();
  }
}

async function captured(sql: Sql, patienceMs: number): Promise<void> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(50)) {
    const [row] = await sql<{ is_left: boolean }[]>`
      select exists (select from outbox.changes) as is_left`;
    if (row?.is_left === false) return;
    if (Date.now() > deadline) throw new Error('changes were not captured');
  }
}

async function caughtUp(sql: Sql, patienceMs: number): Promise<void> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(10)) {
    const [row] = await sql<{ is_left: boolean }[]>`
      select exists (select from outbox.backfills) or exists (select from outbox.deliveries) as is_left`;
    if (row?.is_left === false) return;
    if (Date.now() > deadline) throw new Error('stretches or candles were not sent');
  }
}
