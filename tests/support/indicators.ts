import type { Sql } from '../../db/runtime/database.ts';
import { catalog } from '../../workers/indicators/catalog.ts';
import { computeValues } from '../../workers/indicators/compute.ts';
import { createIndicatorStore, type Work } from '../../workers/indicators/indicator.ts';
import type { Kind, Params } from '../../workers/indicators/kind.ts';
import type { CandleDelta } from '../../workers/messages.ts';
import { createOutbox } from '../../workers/publish/outbox.ts';
import { capture } from './database.ts';

export const kinds = new Map(catalog.map(kind => [kind.kind, kind]));

/** A kind of the real catalog. */
export function kindOf(name: string): Kind {
  const kind = kinds.get(name);
  if (kind === undefined) throw new Error(`the catalog has no ${name}`);
  return kind;
}

/** Registers the real catalog, without the indicators that every instrument gets. */
export async function registerCatalog(sql: Sql): Promise<void> {
  const store = createIndicatorStore(sql);
  for (const kind of catalog) await store.registerKind({ ...kind, defaults: [] });
}

export async function addIndicator(
  sql: Sql,
  symbol: string,
  params: Params,
  rest: { kind?: string; timeframe?: string } = {},
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    select indicator.add(${symbol}, ${rest.timeframe ?? '1m'}, ${rest.kind ?? 'ma_cross'},
      ${JSON.stringify(params)}::text::jsonb, 'bid') as id`;
  return row?.id ?? 0;
}

/** What the publisher would put on the indicators' queue now; it counts as sent. */
export async function publish(sql: Sql): Promise<CandleDelta[]> {
  await capture(sql);
  const outbox = createOutbox(sql, sql);
  const deliveries = await outbox.claimDeliveries(100_000);
  await outbox.markSent(deliveries);
  return deliveries.filter(delivery => delivery.subscription === 'indicators');
}

/** Takes the work that changed candles made. */
export async function claim(sql: Sql, maxCandles = 500): Promise<Work[]> {
  return createIndicatorStore(sql).claimPending(maxCandles);
}

/** Computes and stores the values of claimed work, and strikes the work off. */
export async function finish(sql: Sql, works: readonly Work[]): Promise<void> {
  const store = createIndicatorStore(sql);
  await store.recordValues(works.flatMap(work => computeValues(work, kinds)));
  await store.finishPending(works);
}

/** Everything from the ticks to the values, in order and without a pause. */
export async function catchUp(sql: Sql): Promise<void> {
  const store = createIndicatorStore(sql);
  await store.acceptCandles(await publish(sql));
  await computeAll(sql);
}

/** Computes what waits, and all history that is asked for. */
export async function computeAll(sql: Sql, maxCandles = 500): Promise<void> {
  const store = createIndicatorStore(sql);
  for (let rounds = 0; rounds < 1_000; rounds++) {
    const works = await claim(sql, maxCandles);
    if (works.length > 0) await finish(sql, works);
    const backfill = await store.claimBackfill(maxCandles);
    if (backfill !== undefined) {
      await store.recordValues(computeValues(backfill, kinds));
      await store.finishBackfill(backfill);
    }
    if (works.length === 0 && backfill === undefined) return;
  }
  throw new Error('computation does not come to an end');
}

export interface Value {
  readonly bucket: string;
  readonly value: number | null;
  readonly lines: Readonly<Record<string, number>> | null;
  readonly verdict: number | null;
  readonly bars: number;
}

/** The stored values of an indicator, oldest first. */
export async function valuesOf(sql: Sql, indicatorId: number): Promise<Value[]> {
  return [
    ...(await sql<Value[]>`
      select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, value, lines, verdict, bars
      from indicator.values where indicator_id = ${indicatorId} order by bucket`),
  ];
}

/** The revision of every value by its minute, such as `10:05`. */
export async function revisionsOf(sql: Sql, indicatorId: number): Promise<Map<string, number>> {
  const rows = await sql<{ minute: string; revision: number }[]>`
    select to_char(bucket, 'HH24:MI') as minute, revision::int
    from indicator.values where indicator_id = ${indicatorId} order by bucket`;
  return new Map(rows.map(row => [row.minute, row.revision]));
}
