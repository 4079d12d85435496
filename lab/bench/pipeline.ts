import type { Sql } from '../../db/runtime/database.ts';
import { sleep } from '../../db/runtime/process.ts';
import { services } from '../../workers/indicators/catalog.ts';
import { createServiceStore } from '../../workers/indicators/service.ts';
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
  history = { hours: pieceHours, budgetMs: 120_000 },
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

/** Ticks as {@link copyHistory} makes them, before anybody subscribes, with their candles stored. */
export async function fillHistory(
  database: Database,
  ids: ReadonlyMap<string, number>,
  history: { hours: number; budgetMs: number; endMs?: number },
): Promise<number> {
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

/**
 * Stores the candles of what was copied. First it captures the changes: while nobody has subscribed,
 * that only takes the marks away. On TimescaleDB this comes once only, after all of the history, since
 * what is copied later is late.
 */
export async function storeHistory(sql: Sql): Promise<void> {
  for (let count = Number.POSITIVE_INFINITY; count > 0; ) {
    const [row] = await sql<{ change_count: number }[]>`
      select change_count from outbox.capture_deltas(max_changes => 20000)`;
    count = row?.change_count ?? 0;
  }
  // As upkeep does every second.
  await sql`call feed.advance_candles()`;
  await sql`analyze`;
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
