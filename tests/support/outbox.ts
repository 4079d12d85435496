import { randomBytes } from 'node:crypto';
import type { Sql } from '../../db/runtime/database.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { tickOf } from './ticks.ts';

/** Subscribes under a new name to the one-minute candles of a symbol, or to what `rest` says. */
export async function subscribe(
  sql: Sql,
  symbol: string,
  rest: { timeframe?: string; side?: string; closedOnly?: boolean } = {},
): Promise<string> {
  const name = `test-${randomBytes(5).toString('hex')}`;
  await sql`select outbox.subscribe(${name}, ${`queue-${name}`}, ${symbol},
    ${rest.timeframe ?? '1m'}, ${rest.side ?? 'bid'}, ${rest.closedOnly ?? false})`;
  return name;
}

/** Whether there is something to do for a publisher now. */
export async function hasWork(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ has_work: boolean }[]>`
    select coalesce(outbox.next_work_at() <= clock_timestamp(), false) as has_work`;
  return row?.has_work ?? false;
}

export interface Captured {
  readonly timeframe: string;
  readonly bucket: string;
  readonly close: number;
  readonly tick_count: number;
  readonly is_closed: boolean;
  readonly revision: number;
}

/** The newest captured states of a symbol's candles. */
export async function capturedOf(sql: Sql, symbol: string): Promise<Captured[]> {
  return [
    ...(await sql<Captured[]>`
      select timeframe, to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, close,
        tick_count::int, is_closed, revision::int
      from outbox.candles where instrument_id = feed.instrument_id(${symbol})
      order by timeframe, side, bucket`),
  ];
}

export interface Waiting {
  readonly revision: number;
  readonly is_claimed: boolean;
}

/** What a subscription still has to be sent. */
export async function waitingFor(sql: Sql, subscription: string): Promise<Waiting[]> {
  return [
    ...(await sql<Waiting[]>`
      select d.revision::int, d.claimed_until > clock_timestamp() as is_claimed
      from outbox.deliveries as d join outbox.subscriptions as s using (subscription_id)
      where s.name = ${subscription} order by d.timeframe, d.side, d.bucket`),
  ];
}

/** The revisions of the marks of a symbol. */
export async function marksOf(sql: Sql, symbol: string): Promise<number[]> {
  const rows = await sql<{ revision: number }[]>`
    select revision::int from outbox.changes
    where instrument_id = feed.instrument_id(${symbol}) order by minute`;
  return rows.map(row => row.revision);
}

/** One pass of capturing, without bringing late ticks into the candles before. */
export async function captureOnce(
  sql: Sql,
): Promise<{ change_count: number; delta_count: number }> {
  const [row] = await sql<{ change_count: number; delta_count: number }[]>`
    select * from outbox.capture_deltas()`;
  return row ?? { change_count: -1, delta_count: -1 };
}

/** A quote of a time of the database's clock; its one-minute candle is over. */
export async function quoteOfAge(
  sql: Sql,
  symbol: string,
  age: string,
  bid: number,
): Promise<Tick> {
  const [row] = await sql<{ observed_at: string }[]>`
    select to_char(clock_timestamp() - ${age}::text::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as observed_at`;
  return tickOf(symbol, row?.observed_at ?? '', { bid, ask: bid + 1 });
}
