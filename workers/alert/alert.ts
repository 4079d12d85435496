import { type Sql, unflushed } from '../../db/runtime/database.ts';

/** A message about an event, and where it goes: to a webhook or to a queue. */
export interface Delivery {
  readonly delivery_id: string;
  readonly event_id: string;
  readonly rule_id: number;
  readonly webhook: string | null;
  readonly queue: string | null;
  readonly secret: string;
  readonly body: string;
}

export interface Alerts {
  /** Looks with the rules at values that changed, and notes transitions; at how many candles, 0 when none are left. */
  detect(): Promise<number>;
  /** The same at faults, when it is time. */
  seeFaults(): Promise<void>;
  /** Of each rule the oldest message that is not delivered. */
  claimDeliveries(maxDeliveries: number): Promise<Delivery[]>;
  markDelivered(deliveryId: string, httpStatus: number | undefined): Promise<void>;
  markFailed(
    deliveryId: string,
    failure: { error: string; httpStatus: number | undefined; retryAfterMs: number },
  ): Promise<void>;
  /** Milliseconds until there is something to do, 0 or less for now; null: nothing. */
  nextWorkIn(): Promise<number | null>;
  nudge(): Promise<void>;
}

/** The SQL functions of schema alert. */
export function createAlerts(sql: Sql): Alerts {
  return {
    async detect() {
      const [row] = await sql<[{ looked: number }]>`select alert.detect() as looked`;
      return row.looked;
    },
    async seeFaults() {
      await sql`select ops.see_faults()`;
    },
    async claimDeliveries(maxDeliveries) {
      return [
        ...(await sql<Delivery[]>`
          select * from alert.claim_deliveries(max_deliveries => ${maxDeliveries})`),
      ];
    },
    async markDelivered(deliveryId, httpStatus) {
      await sql`select alert.mark_delivered(${deliveryId}::bigint, ${httpStatus ?? null}::int)`;
    },
    async markFailed(deliveryId, { error, httpStatus, retryAfterMs }) {
      await sql`select alert.mark_failed(${deliveryId}::bigint, ${error}, ${httpStatus ?? null}::int,
        make_interval(secs => ${retryAfterMs / 1_000}::float8))`;
    },
    async nextWorkIn() {
      const [row] = await sql<[{ next_work_in: number | null }]>`
        select extract(epoch from alert.next_work_at() - clock_timestamp())::float8 * 1000 as next_work_in`;
      return row.next_work_in;
    },
    async nudge() {
      await sql`select ${unflushed(sql)}, alert.nudge()`;
    },
  };
}
