import { type Sql, unflushed } from '../../db/runtime/database.ts';

/** What a heartbeat says there is to do. */
export interface Duties {
  /** Milliseconds until there are candles to refresh or to store, 0 or less for now; null: none. */
  readonly next_work_in: number | null;
  readonly is_maintenance_due: boolean;
}

export interface Upkeep {
  /** How many minutes of late ticks are in the candles now, to be captured; may take long. */
  refreshLate(): Promise<number>;
  /** Stores the candles that are over; may take long. */
  advanceCandles(): Promise<void>;
  /** Compresses and drops what is old enough; may take long. */
  applyStorage(): Promise<void>;
  /** Compares yesterday's candles with their ticks, once; may take long. */
  reconcileYesterday(): Promise<void>;
  /** Whether the database works on any of these, for any upkeep. */
  isCalling(): Promise<boolean>;
  /** What {@link Upkeep.endMaintenance} wants of a run; undefined: one was begun less than a minute ago. */
  beginMaintenance(): Promise<string | undefined>;
  endMaintenance(revisions: string): Promise<void>;
  /** A step of maintenance has worked, or why it did not. */
  noteMaintenance(step: string, fault?: string): Promise<void>;
  /** Frees the jobs of dead workers. */
  reapWorkers(): Promise<void>;
  /** Forgets what was captured long ago and sent; how many candles. */
  purge(): Promise<number>;
  /** Has candles computed that a queue lost; how many. */
  findMissed(): Promise<number>;
  /** Brings some of the track record up to date; how many stretches of values, 0 when there are none. */
  scoreSome(): Promise<number>;
  /** The heartbeat, which is all that a quiet one asks. */
  beat(host: string, processId: number, workerIds: readonly string[]): Promise<Duties>;
  /** As in {@link Duties}, without a heartbeat. */
  nextWorkIn(): Promise<number | null>;
  nudge(): Promise<void>;
  nudgePublisher(): Promise<void>;
  sayGoodbye(host: string, processId: number): Promise<void>;
}

/** Those that run on the owner's connection and take as long as they need. */
export const longCalls = [
  'refreshLate',
  'advanceCandles',
  'applyStorage',
  'reconcileYesterday',
] as const satisfies readonly (keyof Upkeep)[];

/**
 * The SQL functions of upkeep.
 *
 * @param owner A connection of the candles' owner: TimescaleDB lets nobody else refresh them.
 */
export function createUpkeep(sql: Sql, owner: Sql): Upkeep {
  return {
    async refreshLate() {
      const [row] = await owner<{ late_count: number }[]>`call outbox.refresh_late()`;
      return row?.late_count ?? 0;
    },
    async advanceCandles() {
      await owner`call feed.advance_candles()`;
    },
    async applyStorage() {
      await owner`call ops.apply_storage()`;
    },
    async reconcileYesterday() {
      await owner`call ops.reconcile_yesterday()`;
    },
    async isCalling() {
      const [row] = await owner<[{ is_calling: boolean }]>`
        select exists (
          select from pg_stat_activity as a
          where a.datname = current_database() and a.pid <> pg_backend_pid() and a.state = 'active'
            and a.application_name = current_setting('application_name') and a.query like 'call %'
        ) as is_calling`;
      return row.is_calling;
    },
    async beginMaintenance() {
      const [row] = await sql<{ revisions: string | null }[]>`
        select ops.begin_maintenance() as revisions`;
      return row?.revisions ?? undefined;
    },
    async endMaintenance(revisions) {
      await sql`select ops.end_maintenance(${revisions}::bigint)`;
    },
    async noteMaintenance(step, fault) {
      await sql`select ops.note_maintenance(${step}, ${fault ?? null})`;
    },
    async reapWorkers() {
      await sql`select ops.reap_workers()`;
    },
    async purge() {
      const [row] = await sql<{ count: number }[]>`
        select (outbox.purge() + feed.purge() + indicator.purge() + alert.purge())::int as count`;
      return row?.count ?? 0;
    },
    async findMissed() {
      const [row] = await sql<{ count: number }[]>`select indicator.find_missed() as count`;
      return row?.count ?? 0;
    },
    async scoreSome() {
      const [row] = await sql<{ count: number }[]>`select track.score() as count`;
      return row?.count ?? 0;
    },
    async beat(host, processId, workerIds) {
      const [row] = await sql<[Duties]>`
        select ops.beat('upkeep', ${host}, ${processId}, ${workerIds as string[]}::text[]),
          extract(epoch from ops.next_upkeep_at() - clock_timestamp())::float8 * 1000 as next_work_in,
          ops.is_maintenance_due()`;
      return row;
    },
    async nextWorkIn() {
      const [row] = await sql<[{ next_work_in: number | null }]>`
        select extract(epoch from ops.next_upkeep_at() - clock_timestamp())::float8 * 1000 as next_work_in`;
      return row.next_work_in;
    },
    async nudge() {
      await sql`select ${unflushed(sql)}, outbox.nudge_upkeep()`;
    },
    async nudgePublisher() {
      await sql`select ${unflushed(sql)}, outbox.nudge_publish()`;
    },
    async sayGoodbye(host, processId) {
      await sql`select ops.say_goodbye('upkeep', ${host}, ${processId})`;
    },
  };
}
