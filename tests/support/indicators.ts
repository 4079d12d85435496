import type { Sql } from '../../db/runtime/database.ts';
import { catalog, services } from '../../workers/indicators/catalog.ts';
import { computeValues } from '../../workers/indicators/compute.ts';
import type { Kind, Params } from '../../workers/indicators/kind.ts';
import {
  type ComputedValue,
  createServiceStore,
  type ServiceStore,
  type Work,
} from '../../workers/indicators/service.ts';
import type { CandleDelta } from '../../workers/messages.ts';
import { createOutbox } from '../../workers/publish/outbox.ts';
import { capture } from './database.ts';

/** A kind of the real catalog. */
export function kindOf(name: string): Kind {
  const kind = catalog.get(name);
  if (kind === undefined) throw new Error(`the catalog has no ${name}`);
  return kind;
}

/** One for each database and service, as in a process: it keeps whatever it has read. */
const stores = new WeakMap<Sql, Map<string, ServiceStore>>();
function storeOf(sql: Sql, service: string): ServiceStore {
  const own = stores.get(sql) ?? new Map<string, ServiceStore>();
  stores.set(sql, own);
  const store = own.get(service) ?? createServiceStore(sql, service);
  own.set(service, store);
  return store;
}

/** Registers the built-in services, without the indicators that every instrument gets. */
export async function registerCatalog(sql: Sql): Promise<void> {
  for (const service of services) {
    const kinds = service.kinds.map(kind => ({ ...kind, defaults: [] }));
    await storeOf(sql, service.service).register({ ...service, kinds });
  }
}

/** Registers a kind as one of service `classical`. */
export async function registerKind(sql: Sql, kind: Kind): Promise<void> {
  const [classical] = services;
  if (classical === undefined) throw new Error('there are no services');
  await storeOf(sql, classical.service).register({ ...classical, kinds: [kind] });
}

/** The values of a stretch, all of which can be computed. */
export function valuesFor(work: Work, kinds: ReadonlyMap<string, Kind> = catalog): ComputedValue[] {
  return [
    ...computeValues(work, kinds, ({ error }) => {
      throw error;
    }),
  ];
}

export async function addIndicator(
  sql: Sql,
  symbol: string,
  params: Params,
  rest: { kind?: string; timeframe?: string; side?: string } = {},
): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    select indicator.add(${symbol}, ${rest.timeframe ?? '1m'}, ${rest.kind ?? 'ma_cross'},
      ${JSON.stringify(params)}::text::jsonb, ${rest.side ?? 'bid'}) as id`;
  return row?.id ?? 0;
}

/** What the publisher would put on the queues of the services now; it counts as sent. */
export async function publish(sql: Sql): Promise<Published[]> {
  await capture(sql);
  const outbox = createOutbox(sql);
  const deliveries = await outbox.claimDeliveries(100_000);
  await outbox.markSent(deliveries);
  return deliveries.filter(({ subscription }) => subscription.startsWith('indicators.'));
}

export type Published = CandleDelta & { readonly subscription: string };

/** Hands each built-in service what is on its queue; returns how many candles were news. */
export async function accept(sql: Sql, published: readonly Published[]): Promise<number> {
  let accepted = 0;
  for (const { service } of services) {
    const own = published.filter(({ subscription }) => subscription === `indicators.${service}`);
    if (own.length > 0) accepted += await storeOf(sql, service).acceptCandles(own);
  }
  return accepted;
}

/** Takes the work that changed candles made for the built-in services. */
export async function claim(sql: Sql, maxCandles = 500): Promise<Work[]> {
  const works: Work[] = [];
  for (const { service } of services) {
    works.push(...(await storeOf(sql, service).claimPending(maxCandles)));
  }
  return works;
}

/** Computes and stores the values of claimed work, and strikes the work off. */
export async function finish(
  sql: Sql,
  works: readonly Work[],
  kinds: ReadonlyMap<string, Kind> = catalog,
): Promise<void> {
  const store = storeOf(sql, '');
  for (const work of works) {
    await store.recordValues(valuesFor(work, kinds));
    if (work.isHistory) await store.finishBackfill(work, work.toBucket);
    else await store.finishPending(work.workIds);
  }
}

/** Everything from the ticks to the values, in order and without a pause. */
export async function catchUp(sql: Sql, kinds?: ReadonlyMap<string, Kind>): Promise<void> {
  await accept(sql, await publish(sql));
  await computeAll(sql, 500, kinds);
}

/** Computes what waits, and all history that is asked for. */
export async function computeAll(
  sql: Sql,
  maxCandles = 500,
  kinds: ReadonlyMap<string, Kind> = catalog,
): Promise<void> {
  for (let rounds = 0; rounds < 1_000; rounds++) {
    const works = await claim(sql, maxCandles);
    for (const { service } of services) {
      const history = await storeOf(sql, service).claimBackfill(maxCandles);
      if (history !== undefined) works.push(history);
    }
    if (works.length === 0) return;
    await finish(sql, works, kinds);
  }
  throw new Error('computation does not come to an end');
}

export interface Value {
  readonly bucket: string;
  readonly outputs: readonly number[] | null;
  readonly verdict: number | null;
  readonly strength: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly bars: number;
}

/** The stored values of an indicator, oldest first. */
export async function valuesOf(sql: Sql, indicatorId: number): Promise<Value[]> {
  return [
    ...(await sql<Value[]>`
      select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket,
        outputs, verdict, strength, low, high, bars
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
