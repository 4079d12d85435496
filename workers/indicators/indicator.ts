import type { Sql } from '../../db/runtime/database.ts';
import type { CandleDelta } from '../messages.ts';
import type { Candle, Kind, Params, Verdict } from './kind.ts';

export interface Definition {
  readonly indicator_id: number;
  readonly kind: string;
  readonly params: Params;
  readonly bars_required: number;
}

/** A stretch of one series whose indicators are due, with the candles to compute them from. */
export interface Work {
  readonly instrumentId: number;
  readonly timeframe: string;
  readonly side: string;
  /** Values are due for the candles from here on, and for those whose window still holds `toBucket`. */
  readonly fromBucket: string;
  readonly toBucket: string;
  readonly revision: string;
  readonly claimedBuckets: readonly string[];
  readonly claimedRevisions: readonly string[];
  readonly indicators: readonly Definition[];
  readonly candles: readonly Candle[];
}

export interface ComputedValue {
  readonly indicatorId: number;
  readonly bucket: string;
  readonly value: number | null;
  readonly lines: Readonly<Record<string, number>> | null;
  readonly verdict: Verdict | null;
  /** Candles of the window that existed. */
  readonly bars: number;
  readonly revision: string;
}

export interface IndicatorStore {
  registerKind(kind: Kind): Promise<void>;
  acceptCandles(candles: readonly CandleDelta[]): Promise<number>;
  claimPending(maxCandles: number): Promise<Work[]>;
  finishPending(work: readonly Work[]): Promise<void>;
  claimBackfill(maxCandles: number): Promise<Work | undefined>;
  finishBackfill(work: Work): Promise<void>;
  recordValues(values: readonly ComputedValue[]): Promise<void>;
  /**
   * The heartbeat of a computing process, which is all that a quiet one asks. Says in how many milliseconds
   * there are values to compute, 0 or less for now; null: none.
   */
  beat(host: string, processId: number, workerIds: readonly string[]): Promise<number | null>;
  nudge(): Promise<void>;
}

/** The SQL functions of schema indicator. */
export function createIndicatorStore(sql: Sql): IndicatorStore {
  /** By the place of its claim; after the claim was committed, so that it holds nobody up. */
  async function readWindows(claims: readonly Claim[]): Promise<Map<number, Window>> {
    const wanted = claims.flatMap((claim, index) =>
      claim.bars === null ? [] : [{ claim, index }],
    );
    if (wanted.length === 0) return new Map();
    const around = wanted.map(({ claim }) => (claim.bars ?? 1) - 1);
    const rows = await sql<(Window & { position: number })[]>`
      select * from indicator.candle_windows(
        ${wanted.map(({ claim }) => claim.instrument_id)}::int[],
        ${wanted.map(({ claim }) => claim.timeframe)}::text[],
        ${wanted.map(({ claim }) => claim.side)}::text[],
        ${wanted.map(({ claim }) => claim.from_bucket)}::text[]::timestamptz[],
        ${wanted.map(({ claim }) => claim.to_bucket)}::text[]::timestamptz[],
        ${around}::int[], ${around}::int[])`;
    return new Map(rows.map(row => [wanted[row.position - 1]?.index ?? -1, row]));
  }

  return {
    async registerKind(kind) {
      await sql`select indicator.register_kind(
        ${kind.kind}, ${kind.description}, ${kind.rule}, ${kind.label},
        ${JSON.stringify(kind.parameters)}::text::jsonb, ${JSON.stringify(kind.bars)}::text::jsonb,
        ${JSON.stringify(kind.defaults)}::text::jsonb)`;
    },
    async acceptCandles(candles) {
      const [row] = await sql<{ count: number }[]>`select indicator.accept_candles(
        ${candles.map(candle => candle.symbol)}::text[], ${candles.map(candle => candle.timeframe)}::text[],
        ${candles.map(candle => candle.side as string)}::text[],
        ${candles.map(candle => candle.bucket)}::text[]::timestamptz[],
        ${candles.map(candle => candle.revision)}::bigint[]) as count`;
      return row?.count ?? 0;
    },
    async claimPending(maxCandles) {
      const claims = await sql<Claim[]>`
        select * from indicator.claim_pending(max_candles => ${maxCandles})`;
      const windows = await readWindows(claims);
      return claims.map((claim, index) => toWork({ ...claim, ...(windows.get(index) ?? empty) }));
    },
    async finishPending(work) {
      const keys = work.flatMap(item =>
        item.claimedBuckets.map((bucket, index) => ({
          item,
          bucket,
          revision: item.claimedRevisions[index] ?? item.revision,
        })),
      );
      await sql`select indicator.finish_pending(
        ${keys.map(key => key.item.instrumentId)}::int[], ${keys.map(key => key.item.timeframe)}::text[],
        ${keys.map(key => key.item.side)}::text[],
        ${keys.map(key => key.bucket)}::text[]::timestamptz[], ${keys.map(key => key.revision)}::bigint[])`;
    },
    async claimBackfill(maxCandles) {
      const [row] = await sql<WorkRow[]>`
        select * from indicator.claim_backfill(max_candles => ${maxCandles})`;
      return row === undefined ? undefined : toWork(row);
    },
    async finishBackfill(work) {
      const id = work.indicators[0]?.indicator_id;
      if (id === undefined) return;
      await sql`select indicator.finish_backfill(
        ${id}, ${work.fromBucket}::text::timestamptz, ${work.toBucket}::text::timestamptz)`;
    },
    async recordValues(values) {
      await sql`select indicator.record_values(
        ${values.map(value => value.indicatorId)}::int[],
        ${values.map(value => value.bucket)}::text[]::timestamptz[],
        ${values.map(value => value.value)}::float8[],
        ${values.map(value => (value.lines === null ? null : JSON.stringify(value.lines)))}::text[],
        ${values.map(value => value.verdict)}::int2[],
        ${values.map(value => value.bars)}::int[],
        ${values.map(value => value.revision)}::bigint[])`;
    },
    async beat(host, processId, workerIds) {
      const [row] = await sql<[{ next_work_in: number | null }]>`
        select ops.beat('indicators', ${host}, ${processId}, ${workerIds as string[]}::text[]),
          extract(epoch from indicator.next_work_at() - clock_timestamp())::float8 * 1000 as next_work_in`;
      return row.next_work_in;
    },
    async nudge() {
      await sql`select indicator.nudge()`;
    },
  };
}

/** Candles as columns, oldest first; null when there are none. */
interface Window {
  readonly buckets: string[] | null;
  readonly opens: number[] | null;
  readonly highs: number[] | null;
  readonly lows: number[] | null;
  readonly closes: number[] | null;
  readonly sums: number[] | null;
  readonly volumes: (number | null)[] | null;
  readonly tick_counts: string[] | null;
}

const empty: Window = {
  buckets: null,
  opens: null,
  highs: null,
  lows: null,
  closes: null,
  sums: null,
  volumes: null,
  tick_counts: null,
};

interface Stretch {
  readonly instrument_id: number;
  readonly timeframe: string;
  readonly side: string;
  readonly from_bucket: string;
  readonly to_bucket: string;
  readonly revision: string;
  readonly claimed_buckets?: string[];
  readonly claimed_revisions?: string[];
  readonly indicators: Definition[];
}

/** A claimed stretch before its candles are read; bars is null when no indicator is left on it. */
type Claim = Stretch & { readonly bars: number | null };

type WorkRow = Stretch & Window;

function toWork(row: WorkRow): Work {
  const candles = (row.buckets ?? []).map((bucket, index) => ({
    bucket,
    open: row.opens?.[index] ?? Number.NaN,
    high: row.highs?.[index] ?? Number.NaN,
    low: row.lows?.[index] ?? Number.NaN,
    close: row.closes?.[index] ?? Number.NaN,
    sum: row.sums?.[index] ?? Number.NaN,
    volume: row.volumes?.[index] ?? null,
    tickCount: Number(row.tick_counts?.[index] ?? 0),
  }));
  return {
    instrumentId: row.instrument_id,
    timeframe: row.timeframe,
    side: row.side,
    fromBucket: row.from_bucket,
    toBucket: row.to_bucket,
    revision: row.revision,
    claimedBuckets: row.claimed_buckets ?? [],
    claimedRevisions: row.claimed_revisions ?? [],
    indicators: row.indicators,
    candles,
  };
}
