import type { Sql } from '../db/runtime/database.ts';
import { sleep } from '../db/runtime/process.ts';
import { catalog } from '../workers/indicators/catalog.ts';
import { createIndicatorStore } from '../workers/indicators/indicator.ts';
import type { Database } from './server.ts';
import { addInstruments, copyTicks, marketTicks, openClient, toCopyText } from './ticks.ts';

const instrumentCount = 20;
/** Ten an instrument; the first shows its newest price as the line `fast`. */
const indicators = [
  ...[1, 2, 3, 5, 10].map(fast => ({ timeframe: '1m', fast, slow: 20 + fast })),
  ...[1, 2, 3, 5, 8].map(fast => ({ timeframe: '5m', fast, slow: 10 + fast })),
];

export interface PipelineOptions {
  /** Length of the history; absent: two hours. */
  readonly hours?: number;
  /** Ticks of each instrument a second in it; absent: one each two seconds. */
  readonly perSecond?: number;
  /** False: none, for measurements without the indicators process. */
  readonly hasIndicators?: boolean;
}

/** What the load and the sampler have to know. */
export interface Pipeline {
  readonly symbols: readonly string[];
  /** By place of the symbol: the indicator that shows its newest price. */
  readonly shown: readonly number[];
}

/** Twenty instruments with history and ten indicators each; the workers come after. */
export async function preparePipeline(
  database: Database,
  options: PipelineOptions,
): Promise<Pipeline> {
  const { sql } = database;
  const store = createIndicatorStore(sql);
  for (const kind of catalog) await store.registerKind(kind);
  // Before the instruments, so that none gets default indicators: exactly ten are to be computed.
  await sql`delete from indicator.defaults`;
  const symbols = await fillHistory(database, options);
  const shown: number[] = [];
  if (options.hasIndicators === false) return { symbols, shown };
  for (const symbol of symbols) {
    const ids: number[] = [];
    for (const { timeframe, fast, slow } of indicators) {
      const [row] = await sql<{ id: number }[]>`select indicator.add(${symbol}, ${timeframe},
        'ma_cross', jsonb_build_object('fast', ${fast}::int, 'slow', ${slow}::int)) as id`;
      ids.push(row?.id ?? 0);
    }
    shown.push(ids[0] ?? 0);
  }
  return { symbols, shown };
}

/** Ticks with prices below 1, up to now. */
async function fillHistory(
  { sql, url }: Database,
  { hours = 2, perSecond = 0.5 }: PipelineOptions,
): Promise<string[]> {
  const ids = await addInstruments(sql, instrumentCount);
  const symbols = [...ids.keys()];
  const count = Math.floor(hours * 3_600 * perSecond * instrumentCount);
  const from = (Date.now() - hours * 3_600_000 - 1_000) * 1_000;
  const client = await openClient(url);
  try {
    const ticks = marketTicks({ symbols, from, count, perSecond });
    for (let start = 0; start < count; start += 50_000) {
      await copyTicks(client, 'feed.ticks', toCopyText(ticks.slice(start, start + 50_000), ids));
    }
  } finally {
    await client.end();
  }
  // As the publisher does each minute.
  await sql`call feed.advance_candles()`;
  await sql`analyze`;
  return symbols;
}

/** Until nothing is left to do in the database; nobody adds ticks meanwhile. */
export async function settled(sql: Sql): Promise<void> {
  for (const deadline = Date.now() + 300_000; ; await sleep(200)) {
    const [row] = await sql<{ left: number }[]>`
      select ((select count(*) from outbox.changes) + (select count(*) from outbox.deliveries)
        + (select count(*) from indicator.pending)
        + (select count(*) from indicator.backfills))::int as left`;
    if (row?.left === 0) return;
    if (Date.now() > deadline) throw new Error(`${row?.left} rows were still to be worked off`);
  }
}
