import { type Sql, unflushed } from '../../db/runtime/database.ts';
import type { CandleDelta } from '../messages.ts';

/** A candle that a subscription has to be sent. */
export interface Delivery extends CandleDelta {
  readonly subscription_id: number;
  readonly subscription: string;
  readonly queue: string;
  readonly instrument_id: number;
  /** As PostgreSQL prints it. */
  readonly claimed_at: string;
}

/** What a heartbeat says there is to do. */
export interface Duties {
  /** Milliseconds until the publisher has something to do, 0 or less for now; null: nothing. */
  readonly next_work_in: number | null;
  /** The same for alerts. */
  readonly next_alert_in: number | null;
  /** Whether a rule of alerts looks at values. */
  readonly is_watching: boolean;
  /** The queues of all subscriptions that are not paused. */
  readonly queues: readonly string[];
}

export interface Outbox {
  captureDeltas(maxChanges: number): Promise<{ change_count: number; delta_count: number }>;
  closeCandles(): Promise<number>;
  /** Queues stretches of history that subscriptions asked for; how many, 0 when there is no more for now. */
  continueBackfills(): Promise<number>;
  /** Up to `maxDeliveries` of each subscription, oldest first, but none of these queues. */
  claimDeliveries(maxDeliveries: number, exceptQueues?: readonly string[]): Promise<Delivery[]>;
  markSent(deliveries: readonly Delivery[]): Promise<void>;
  markFailed(subscriptionId: number, reason: string): Promise<void>;
  bury(deliveries: readonly Delivery[], reason: string): Promise<void>;
  republish(subscription: string): Promise<number>;
  /** The subscriptions of a queue that something was sent for. */
  sentSubscriptions(queue: string): Promise<string[]>;
  /** The heartbeat of a publisher, which is all that a quiet one asks. */
  beat(host: string, processId: number, workerIds: readonly string[]): Promise<Duties>;
  /** As in {@link Duties}, without a heartbeat. */
  nextWorkIn(): Promise<number | null>;
  nudge(): Promise<void>;
}

/** The SQL functions of schema outbox. */
export function createOutbox(sql: Sql): Outbox {
  return {
    async captureDeltas(maxChanges) {
      const [row] = await sql<{ change_count: number; delta_count: number }[]>`
        select * from outbox.capture_deltas(max_changes => ${maxChanges})`;
      return row ?? { change_count: 0, delta_count: 0 };
    },
    async closeCandles() {
      const [row] = await sql<{ count: number }[]>`select outbox.close_candles() as count`;
      return row?.count ?? 0;
    },
    async continueBackfills() {
      const [row] = await sql<{ count: number }[]>`select outbox.continue_backfills() as count`;
      return row?.count ?? 0;
    },
    async claimDeliveries(maxDeliveries, exceptQueues = []) {
      const rows = await sql<Record<string, unknown>[]>`
        select d.* from ${unflushed(sql)}, outbox.claim_deliveries(
          max_deliveries => ${maxDeliveries}, except_queues => ${exceptQueues as string[]}::text[]) as d`;
      return rows.map(toDelivery);
    },
    async markSent(deliveries) {
      const keys = keysOf(deliveries);
      await sql`select ${unflushed(sql)}, outbox.mark_sent(
        ${keys.subscriptionIds}::int[], ${keys.instrumentIds}::int[], ${keys.timeframes}::text[],
        ${keys.sides}::text[], ${keys.buckets}::text[]::timestamptz[], ${keys.revisions}::bigint[],
        ${deliveries.map(delivery => delivery.claimed_at)}::text[]::timestamptz[])`;
    },
    async markFailed(subscriptionId, reason) {
      await sql`select outbox.mark_failed(${subscriptionId}, ${reason})`;
    },
    async bury(deliveries, reason) {
      const keys = keysOf(deliveries);
      await sql`select outbox.bury(
        ${keys.subscriptionIds}::int[], ${keys.instrumentIds}::int[], ${keys.timeframes}::text[],
        ${keys.sides}::text[], ${keys.buckets}::text[]::timestamptz[], ${keys.revisions}::bigint[], ${reason})`;
    },
    async republish(subscription) {
      const [row] = await sql<
        { count: number }[]
      >`select outbox.republish(${subscription}) as count`;
      return row?.count ?? 0;
    },
    async sentSubscriptions(queue) {
      const rows = await sql<{ subscription: string }[]>`
        select subscription from ops.queues where queue = ${queue} and last_sent_at is not null`;
      return rows.map(row => row.subscription);
    },
    async beat(host, processId, workerIds) {
      const [row] = await sql<[Duties]>`
        select ops.beat('publish', ${host}, ${processId}, ${workerIds as string[]}::text[]),
          extract(epoch from outbox.next_work_at() - clock_timestamp())::float8 * 1000 as next_work_in,
          extract(epoch from alert.next_work_at() - clock_timestamp())::float8 * 1000 as next_alert_in,
          alert.is_watching(), outbox.queues()`;
      return row;
    },
    async nextWorkIn() {
      const [row] = await sql<[{ next_work_in: number | null }]>`
        select extract(epoch from outbox.next_work_at() - clock_timestamp())::float8 * 1000 as next_work_in`;
      return row.next_work_in;
    },
    async nudge() {
      await sql`select ${unflushed(sql)}, outbox.nudge_publish()`;
    },
  };
}

/** PostgreSQL gives bigint as text; counts and revisions stay far below 2^53. */
function toDelivery(row: Record<string, unknown>): Delivery {
  return {
    ...(row as unknown as Delivery),
    bucket: isoTime(String(row.bucket)),
    tick_count: Number(row.tick_count),
    revision: Number(row.revision),
  };
}

/** `2026-01-01 00:00:00+00` as ISO 8601. */
function isoTime(text: string): string {
  return text.replace(' ', 'T').replace(/\+00$/, 'Z');
}

function keysOf(deliveries: readonly Delivery[]) {
  return {
    subscriptionIds: deliveries.map(delivery => delivery.subscription_id),
    instrumentIds: deliveries.map(delivery => delivery.instrument_id),
    timeframes: deliveries.map(delivery => delivery.timeframe),
    sides: deliveries.map(delivery => delivery.side as string),
    buckets: deliveries.map(delivery => delivery.bucket),
    revisions: deliveries.map(delivery => delivery.revision),
  };
}
