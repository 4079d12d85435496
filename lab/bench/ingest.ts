import type pg from 'pg';
import { openDatabase } from '../../db/runtime/database.ts';
import { createFeed, type Feed } from '../../workers/ingest/feed.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { createWriter } from '../../workers/ingest/writer.ts';
import { labLogger } from '../harness/server.ts';
import type { Database } from './database.ts';
import { type Figure, median } from './figures.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const instrumentCount = 20;
const perSecond = 20;
const bare = 'bench.bare_ticks';
/** With key, dedupe and change tracking: what the aim of thirty times is measured against. */
const oneRow = 'insert into feed.ticks, 1 a call';
/** Full batches of the ingest worker, which it stores in halves over two connections. */
const workersWay = 'ingest worker, full batches';

const format = (count: number): string => count.toLocaleString('en-US');

interface Method {
  readonly name: string;
  readonly count: number;
  /** Prepares outside the measured time; what it returns is measured. */
  readonly prepare: (ticks: readonly Tick[]) => () => Promise<void>;
}

/**
 * Ticks a second of each way in, the median of some rounds in which every way has its turn, over
 * ticks that lie in the past four hours and are new to the table. A durable commit a call.
 */
export async function measureIngest(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql, url } = database;
  const ids = await addInstruments(sql, instrumentCount);
  await createBareTable(database);
  const client = await openClient(url);
  const one = openDatabase({
    url,
    process: 'bench ingest',
    role: 'foresight_ingest',
    logger: labLogger,
    maxConnections: 1,
  });
  const feed = createFeed(one);
  const asWorker = openDatabase({
    url,
    process: 'bench ingest',
    role: 'foresight_ingest',
    logger: labLogger,
  });
  const other = openDatabase({
    url,
    process: 'bench ingest',
    role: 'foresight_ingest',
    logger: labLogger,
    maxConnections: 1,
  });
  const copyInto = (table: string) => (ticks: readonly Tick[]) => {
    const text = toCopyText(ticks, ids);
    return () => copyTicks(client, table, text);
  };
  const bulk = isQuick ? 15_000 : 60_000;
  const singles = isQuick ? 200 : 300;
  const methods: Method[] = [
    { name: 'bare COPY', count: bulk, prepare: copyInto(bare) },
    { name: 'COPY feed.ticks', count: bulk, prepare: copyInto('feed.ticks') },
    { name: workersWay, count: bulk, prepare: asTheWorker(createFeed(asWorker)) },
    ...[5_000, 1_000, 100].map(size => ({
      name: `record_ticks, ${format(size)} a call`,
      count: size === 100 ? bulk / 3 : bulk,
      prepare: inBatches(feed, size),
    })),
    ...[5_000, 1_000].map(size => ({
      name: `record_ticks, ${format(size)} a call, 2 connections`,
      count: bulk,
      prepare: inHalves(feed, createFeed(other), size),
    })),
    { name: 'bare insert, 1 a call', count: singles, prepare: insertEach(client, bare) },
    { name: 'record_ticks, 1 a call', count: singles, prepare: inBatches(feed, 1) },
    { name: oneRow, count: singles, prepare: insertEach(client, 'feed.ticks') },
  ];
  try {
    return toFigures(methods, await runRounds(methods, [...ids.keys()], isQuick ? 2 : 9));
  } finally {
    await one.end({ timeout: 2 });
    await other.end({ timeout: 2 });
    await asWorker.end({ timeout: 2 });
    await client.end();
  }
}

/** The columns and the key of feed.ticks without its checks and triggers; a hypertable if that is one. */
async function createBareTable({ sql, engine }: Database): Promise<void> {
  await sql`create schema bench`;
  await sql`create table bench.bare_ticks (like feed.ticks including defaults,
    primary key (instrument_id, observed_at, seq))`;
  if (engine === 'timescaledb') {
    await sql`select public.create_hypertable('bench.bare_ticks',
      public.by_range('observed_at', interval '1 day'), create_default_indexes => false)`;
  }
}

function inBatches(feed: Feed, size: number): Method['prepare'] {
  return ticks => async () => {
    for (let start = 0; start < ticks.length; start += size) {
      const batch = ticks.slice(start, start + size);
      const { stored } = await feed.recordTicks('manual', batch);
      if (stored !== batch.length) throw new Error(`${stored} of ${batch.length} ticks were new`);
    }
  };
}

/** As they come from a source that is faster than the database, a few at a time. */
function asTheWorker(feed: Feed): Method['prepare'] {
  return ticks => async () => {
    let stored = 0;
    const writer = createWriter({
      feed,
      source: 'manual',
      logger: labLogger,
      signal: new AbortController().signal,
      onStored: counts => {
        stored += counts.stored;
      },
    });
    for (let start = 0; start < ticks.length; start += 500) {
      await writer.add(ticks.slice(start, start + 500));
    }
    await writer.drain();
    if (stored !== ticks.length) throw new Error(`${stored} of ${ticks.length} ticks were new`);
  };
}

/** As two ingest processes do: each with its own instruments. */
function inHalves(one: Feed, other: Feed, size: number): Method['prepare'] {
  return ticks => {
    const symbols = [...new Set(ticks.map(tick => tick.symbol))].sort();
    const isFirst = new Set(symbols.slice(0, symbols.length / 2));
    const halves = [
      inBatches(one, size)(ticks.filter(tick => isFirst.has(tick.symbol))),
      inBatches(other, size)(ticks.filter(tick => !isFirst.has(tick.symbol))),
    ];
    return async () => {
      await Promise.all(halves.map(run => run()));
    };
  };
}

/**
 * One prepared statement and one durable commit a tick. Into the bare table: what a commit alone costs
 * on this disk. Into feed.ticks: with all that record_ticks gives but its answers and counts.
 */
function insertEach(client: pg.Client, table: string): Method['prepare'] {
  return ticks => async () => {
    for (const { observedAt, seq, bid, ask } of ticks) {
      await client.query({
        name: `insert ${table}`,
        text: `insert into ${table} (instrument_id, observed_at, seq, bid, ask)
          values (1, $1, $2, $3, $4)${table === bare ? '' : ' on conflict do nothing'}`,
        values: [observedAt, seq, bid, ask],
      });
    }
  };
}

async function runRounds(
  methods: readonly Method[],
  symbols: readonly string[],
  rounds: number,
): Promise<Map<string, number[]>> {
  const microseconds = (count: number): number =>
    Math.ceil((count / (symbols.length * perSecond)) * 1_000_000);
  // Every method's ticks come after those of the one before, as in a stream.
  let from = (Date.now() - 4 * 3_600_000) * 1_000;
  const rates = new Map<string, number[]>(methods.map(method => [method.name, []]));
  // The first round only warms up: plans, chunks, caches.
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < methods.length; turn++) {
      const method = methods[(turn + round) % methods.length];
      if (method === undefined) continue;
      const count = round === 0 ? Math.ceil(method.count / 10) : method.count;
      const run = method.prepare(marketTicks({ symbols, from, count, perSecond }));
      from += microseconds(count);
      const startedAt = performance.now();
      await run();
      const seconds = (performance.now() - startedAt) / 1_000;
      if (round > 0) rates.get(method.name)?.push(count / seconds);
    }
  }
  if (from > Date.now() * 1_000) throw new Error('the ticks of the rounds reach into the future');
  return rates;
}

function toFigures(
  methods: readonly Method[],
  rates: ReadonlyMap<string, readonly number[]>,
): Figure[] {
  const rate = (name: string): number => median(rates.get(name) ?? []);
  return methods.flatMap(({ name }) => [
    { part: 'ingest', name, unit: 'ticks/s', value: rate(name), samples: rates.get(name) ?? [] },
    { part: 'ingest', name, unit: 'of bare COPY', value: rate(name) / rate('bare COPY') },
    { part: 'ingest', name, unit: 'times one-row inserts', value: rate(name) / rate(oneRow) },
  ]);
}
