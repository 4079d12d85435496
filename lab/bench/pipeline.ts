import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { services } from '../../workers/indicators/catalog.ts';
import { createServiceStore } from '../../workers/indicators/service.ts';
import type { Engine } from '../harness/server.ts';
import type { Database } from './database.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

export const instrumentCount = 20;
/** Ticks of one instrument a second, in histories. */
const perSecond = 0.5;
/** A history is filled in pieces of this length, the newest first. */
const pieceHours = 2;
const hourMs = 3_600_000;
/** Ten an instrument; the first shows its newest price as the line `fast`. */
const indicators = [
  ...[1, 2, 3, 5, 10].map(fast => ({ timeframe: '1m', fast, slow: 20 + fast })),
  ...[1, 2, 3, 5, 8].map(fast => ({ timeframe: '5m', fast, slow: 10 + fast })),
];

/** What the load and the sampler have to know. */
export interface Pipeline {
  readonly symbols: readonly string[];
  /** By place of the symbol: the indicator that shows its newest price. */
  readonly shown: readonly number[];
  /** Of ticks and candles, that there was time to fill. */
  readonly historyHours: number;
}

/** Twenty instruments with a history and ten indicators each; the workers come after. */
export async function preparePipeline(
  database: Database,
  history: { hours: number; budgetMs: number; years?: number } = {
    hours: pieceHours,
    budgetMs: 120_000,
  },
): Promise<Pipeline> {
  const { sql } = database;
  for (const service of services) {
    await createServiceStore(sql, service.service).register(service);
  }
  // Before the instruments, so that none gets default indicators: exactly ten are to be computed.
  await sql`delete from indicator.wishes`;
  const ids = await addInstruments(sql, instrumentCount);
  const symbols = [...ids.keys()];
  const historyHours = await fillHistory(database, ids, history);
  const shown: number[] = [];
  for (const symbol of symbols) {
    const added: number[] = [];
    for (const { timeframe, fast, slow } of indicators) {
      const [row] = await sql<{ id: number }[]>`select indicator.add(${symbol}, ${timeframe},
        'ma_cross', jsonb_build_object('fast', ${fast}::int, 'slow', ${slow}::int)) as id`;
      added.push(row?.id ?? 0);
    }
    shown.push(added[0] ?? 0);
  }
  return { symbols, shown, historyHours };
}

/**
 * Ticks as {@link copyHistory} makes them, before anybody subscribes, with their candles stored; before them, where
 * there are `years`, those of {@link copyYears}.
 */
export async function fillHistory(
  database: Database,
  ids: ReadonlyMap<string, number>,
  history: { hours: number; budgetMs: number; endMs?: number; years?: number },
): Promise<number> {
  if (history.years) await copyYears(database.sql, history.years);
  const filled = await copyHistory(database, ids, history);
  await storeHistory(database.sql);
  return filled;
}

/**
 * Ticks that end `endMs` ago, one each two seconds and instrument, with prices below 1. Stops early when
 * the budget of time is used up.
 *
 * @returns how many hours were filled.
 */
export async function copyHistory(
  { url }: Database,
  ids: ReadonlyMap<string, number>,
  { hours, budgetMs, endMs = 1_000 }: { hours: number; budgetMs: number; endMs?: number },
): Promise<number> {
  const symbols = [...ids.keys()];
  const deadline = Date.now() + budgetMs;
  const end = Date.now() - endMs;
  const client = await openClient(url);
  let filled = 0;
  try {
    while (filled < hours && Date.now() < deadline) {
      const piece = Math.min(pieceHours, hours - filled);
      const from = (end - (filled + piece) * hourMs) * 1_000;
      const count = Math.floor(piece * 3_600 * perSecond * symbols.length);
      const ticks = marketTicks({ symbols, from, count, perSecond });
      await copyTicks(client, 'feed.ticks', toCopyText(ticks, ids));
      filled += piece;
    }
  } finally {
    await client.end();
  }
  return filled;
}

/** Until then, {@link copyYears} leaves the time to others. */
const recentDays = 9;

/** A tick a day of each instrument, all those years until a week ago: few rows, in as many chunks as there would be. */
async function copyYears(sql: Sql, years: number): Promise<void> {
  await inYears(sql, years, async (from, to) => {
    await sql`insert into feed.ticks (instrument_id, observed_at, bid, ask)
      select i.instrument_id, t.at, 0.5, 0.5001
      from feed.instruments as i, generate_series(${from}::text::timestamptz, ${to}::text::timestamptz - interval '1 day', interval '1 day') as t(at)`;
  });
  // Before candles are stored, as they would be late ones then.
  await takeMarks(sql);
  const [row] = await sql<[{ engine: Engine }]>`select engine from ops.installation`;
  if (row.engine !== 'timescaledb') return;
  const levels = await sql<{ name: string }[]>`
    select feed.stored_relation(timeframe) as name from feed.timeframes order by width`;
  await inYears(sql, years, async (from, to) => {
    // As one batch: feed.advance_candles takes a day at a time.
    for (const { name } of levels)
      await sql`call public.refresh_continuous_aggregate(
        ${name}::text::regclass, ${from}::text::timestamptz, ${to}::text::timestamptz, options => '{"buckets_per_batch": 0}')`;
  });
}

/** A value a week of each indicator, and that it was said, in the years of {@link copyYears}; none is computed there. */
export async function addOldValues(sql: Sql, years: number): Promise<void> {
  await inYears(sql, years, async (from, to) => {
    await sql`insert into indicator.values (indicator_id, bucket, value, outputs, verdict, strength, bars, revision)
      select d.indicator_id, t.at, 1, array_fill(1::float8, array[jsonb_array_length(k.outputs)]), 1, 1, d.bars_window, 0
      from indicator.definitions as d
      join indicator.kinds as k using (kind),
        generate_series(${from}::text::timestamptz, ${to}::text::timestamptz - interval '7 days', interval '7 days') as t(at)`;
    await sql`insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
      select v.indicator_id, v.bucket, v.revision, v.verdict, v.strength, v.value, 0.5
      from indicator.values as v where v.bucket >= ${from}::text::timestamptz and v.bucket < ${to}::text::timestamptz`;
  });
  await sql`update indicator.backfills set next_bucket = greatest(next_bucket, now() - ${recentDays}::int * interval '1 day')`;
}

/** A year at a time, the oldest first, as midnights: one transaction for all would hold more locks than there are. */
export async function inYears(
  sql: Sql,
  years: number,
  use: (from: string, to: string) => Promise<void>,
): Promise<void> {
  for (let year = years; year > 0; year--) {
    const [row] = await sql<[{ from: string; to: string }]>`
      select (t.end_at - ${year}::int * interval '365 days')::text as from,
        (t.end_at - ${year - 1}::int * interval '365 days')::text as to
      from (select date_trunc('day', now(), 'UTC') - ${recentDays}::int * interval '1 day' as end_at) as t`;
    await use(row.from, row.to);
  }
}

/**
 * Stores the candles of what was copied. First it captures the changes: while nobody has subscribed,
 * that only takes the marks away. On TimescaleDB this comes once only, after all of the history, since
 * what is copied later is late.
 */
export async function storeHistory(sql: Sql): Promise<void> {
  await takeMarks(sql);
  // As upkeep does every second.
  await sql`call feed.advance_candles()`;
  await sql`analyze`;
}

async function takeMarks(sql: Sql): Promise<void> {
  for (let count = Number.POSITIVE_INFINITY; count > 0; ) {
    const [row] = await sql<{ change_count: number }[]>`
      select change_count from outbox.capture_deltas(max_changes => 20000)`;
    count = row?.change_count ?? 0;
  }
}

/** Until nothing is left to do in the database; nobody adds ticks meanwhile. */
export async function settled(sql: Sql): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; await sleep(200)) {
    const [row] = await sql<{ left: number }[]>`
      select ((select count(*) from outbox.changes) + (select count(*) from outbox.deliveries)
        + (select count(*) from indicator.pending)
        + (select count(*) from indicator.backfills))::int as left`;
    if (row?.left === 0) return;
    if (Date.now() > deadline) throw new Error(`${row?.left} rows were still to be worked off`);
  }
}

/** Until all values of the history are computed, or the time is over: then the rest is given up. */
export async function backfilled(sql: Sql, budgetMs: number): Promise<void> {
  for (const deadline = Date.now() + budgetMs; Date.now() < deadline; await sleep(200)) {
    const [row] = await sql<{ left: number }[]>`
      select count(*)::int as left from indicator.backfills`;
    if (row?.left === 0) return;
  }
  await sql`delete from indicator.backfills`;
}

/** Until all changes are captured and every delivery was sent. Asks cheaply: what it waits for runs beside it. */
export async function published(sql: Sql, patienceMs: number): Promise<void> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(10)) {
    const [row] = await sql<{ is_left: boolean }[]>`
      select exists (select from outbox.changes) or exists (select from outbox.deliveries) as is_left`;
    if (row?.is_left === false) return;
    if (Date.now() > deadline) throw new Error(`not published in ${patienceMs / 1_000} s`);
  }
}
