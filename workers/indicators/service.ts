import { type Sql, unflushed } from '../../db/runtime/database.ts';
import type { CandleDelta, Refusal } from '../messages.ts';
import { apart } from './apart.ts';
import type { Kind, Params, Reading } from './kind.ts';
import { type CandleColumns, type Series, seriesFrom, seriesOf } from './window.ts';
import { createWindowReader, type Placed } from './window_reader.ts';

/** What computes a set of kinds, with a queue and work of its own. */
export interface Service {
  readonly service: string;
  readonly description: string;
  /** It is told about closed candles only. */
  readonly isClosedOnly: boolean;
  readonly kinds: readonly Kind[];
}

export interface Definition {
  readonly indicator_id: number;
  readonly kind: string;
  readonly params: Params;
  readonly bars_required: number;
  readonly bars_window: number;
}

/** A stretch of one series whose indicators are due, with the candles to compute them from. */
export interface Work {
  readonly timeframe: string;
  /** Values are due for the candles from here on, and for those whose window still holds `toBucket`. */
  readonly fromBucket: string;
  readonly toBucket: string;
  /** Candles up to here were closed when it was claimed. */
  readonly closedTo: string;
  readonly revision: string;
  readonly isHistory: boolean;
  /** What is struck off when its values are stored. */
  readonly workIds: readonly string[];
  /** Of changed candles: the indicators have it in common, see `indicator.set_pace`; shorter ones come first. */
  readonly pace?: string;
  readonly indicators: readonly Definition[];
  readonly series: Series;
}

/** What values are computed from, whatever asks for them. */
export type Due = Omit<Work, 'timeframe' | 'workIds' | 'pace'>;

export interface ComputedValue {
  readonly indicatorId: number;
  readonly bucket: string;
  /** Null while it warms up, and when the candles allow no value. */
  readonly reading: Reading | null;
  /** Close of a closed candle whose change asked for this value, which is then kept as it was said; else null. */
  readonly price: number | null;
  /** Candles of the window that existed. */
  readonly bars: number;
  readonly revision: string;
}

/** A stored value that is to be computed again, with the candles of its window. */
export interface DrawnValue {
  readonly definition: Definition;
  readonly bucket: string;
  readonly revision: string;
  /** When it was computed. */
  readonly storedAt: string;
  readonly series: Series;
}

/** What came out. */
export interface CheckedValue {
  readonly drawn: DrawnValue;
  readonly reading: Reading | null;
  readonly bars: number;
  /** The first bucket of its window; null where there are fewer candles than the whole of it. */
  readonly windowStart: string | null;
}

/** What a service asks of the database. */
export interface ServiceStore {
  /** Says that it is there, and what it can compute; returns the queue on which it is told about candles. */
  register(service: Service): Promise<string>;
  acceptCandles(candles: readonly CandleDelta[]): Promise<number>;
  /** Keeps what was refused, to look at and to try again. */
  setAside(refusals: readonly Refusal[]): Promise<void>;
  /** Leases changed candles, the newest first. */
  claimPending(maxCandles: number): Promise<Work[]>;
  /** Keeps claimed candles for longer; returns those that are still asked for. */
  keepPending(workIds: readonly string[]): Promise<string[]>;
  /** Gives claimed candles back. */
  releasePending(workIds: readonly string[]): Promise<void>;
  finishPending(workIds: readonly string[]): Promise<void>;
  /** What could not be computed is claimed again later, each alone; how many failed too often and were set aside. */
  failPending(workIds: readonly string[], detail: string): Promise<number>;
  /** Leases a stretch of history. */
  claimBackfill(maxCandles: number): Promise<Work | undefined>;
  /** @param reachedBucket Its values are stored up to here. */
  finishBackfill(work: Work, reachedBucket: string): Promise<void>;
  recordValues(values: readonly ComputedValue[]): Promise<void>;
  nudge(): Promise<void>;
  /** Some stored values at random; none before its time, however many processes ask. */
  drawValues(maxValues: number, everyMs: number): Promise<DrawnValue[]>;
  /** Keeps those that differ from what is stored; returns how many did for the second time. */
  compareValues(values: readonly CheckedValue[]): Promise<number>;
}

/** A kind that is a SQL function, as the database tells it. */
export interface SqlKind {
  readonly kind: string;
  /** With its schema. */
  readonly function: string;
  /** Of the function as it was defined: another one is not run. */
  readonly fingerprint: string;
  readonly output_count: number;
  readonly closed_only: boolean;
  /** Else it sees no spread, whether another kind has it read or not. */
  readonly with_spread: boolean;
}

export interface SqlKindStore {
  /** What of these kinds is a SQL function. */
  read(kinds: readonly string[]): Promise<readonly SqlKind[]>;
  /** Ends what a function keeps from ending. */
  endEvaluations(): Promise<void>;
}

/** Of a process that computes for some services. */
export interface Heart {
  /** All that a quiet process asks: in how many milliseconds there is work, 0 or less for now; null: none. */
  beat(host: string, processId: number, workerIds: readonly string[]): Promise<number | null>;
  /** The same, between two beats. */
  nextWorkIn(): Promise<number | null>;
}

export function createHeart(sql: Sql, services: readonly Service[]): Heart {
  const names = services.map(({ service }) => service);
  return {
    async beat(host, processId, workerIds) {
      const [row] = await sql<{ next_work_in: number | null }[]>`
        select extract(epoch from indicator.beat(${names}::text[], ${host}, ${processId},
          ${workerIds as string[]}::text[]) - clock_timestamp())::float8 * 1000 as next_work_in`;
      return row?.next_work_in ?? null;
    },
    async nextWorkIn() {
      const [row] = await sql<{ next_work_in: number | null }[]>`
        select extract(epoch from min(indicator.next_work_at(s.service)) - clock_timestamp())::float8 * 1000 as next_work_in
        from unnest(${names}::text[]) as s(service)`;
      return row?.next_work_in ?? null;
    },
  };
}

export function createSqlKindStore(sql: Sql): SqlKindStore {
  return {
    read: async kinds =>
      sql<SqlKind[]>`select * from indicator.sql_kind_functions(${kinds as string[]}::text[])`,
    async endEvaluations() {
      await sql`select indicator.end_evaluations('2 seconds')`;
    },
  };
}

/** The pace of what is computed with each change. */
const atOnce = '00:00:00';

/** The SQL functions of schema indicator, for one service. */
export function createServiceStore(sql: Sql, service: string): ServiceStore {
  const reader = createWindowReader(sql);

  async function failPending(workIds: readonly string[], detail: string): Promise<number> {
    const [row] = await sql<{ count: number }[]>`
      select indicator.fail_pending(${workIds as string[]}::bigint[], ${detail}) as count`;
    return row?.count ?? 0;
  }

  return {
    async register({ description, isClosedOnly, kinds }) {
      const [row] = await sql<[{ queue: string }]>`select indicator.register_service(
        ${service}, description => ${description}, closed_only => ${isClosedOnly}) as queue`;
      for (const kind of kinds) {
        const { parameters, outputs, bars, defaults } = kind;
        const [parametersJson, outputsJson, leastJson, windowJson, defaultsJson] = [
          parameters,
          outputs,
          bars.least,
          bars.window,
          defaults,
        ].map(part => JSON.stringify(part));
        await sql`select indicator.register_kind(
          ${service}, ${kind.kind}, ${kind.description}, ${kind.rule}, ${kind.label}, ${kind.definition},
          parameters => ${parametersJson ?? ''}::text::jsonb,
          columns => ${kind.columns as string[]}::text[],
          outputs => ${outputsJson ?? ''}::text::jsonb,
          bars_required => ${leastJson ?? ''}::text::jsonb,
          bars_window => ${windowJson ?? ''}::text::jsonb,
          closed_only => ${kind.isClosedOnly},
          defaults => ${defaultsJson ?? ''}::text::jsonb)`;
      }
      return row.queue;
    },
    async acceptCandles(candles) {
      const [row] = await sql<{ count: number }[]>`select indicator.accept_candles(${service},
        ${candles.map(candle => candle.symbol)}::text[], ${candles.map(candle => candle.timeframe)}::text[],
        ${candles.map(candle => candle.side as string)}::text[],
        ${candles.map(candle => candle.bucket)}::text[]::timestamptz[],
        ${candles.map(candle => candle.revision)}::bigint[]) as count`;
      return row?.count ?? 0;
    },
    async setAside(refusals) {
      // PostgreSQL's text has no NUL.
      const texts = (pick: (refusal: Refusal) => string, length: number) =>
        refusals.map(refusal => pick(refusal).slice(0, length).replaceAll('\0', '\ufffd'));
      await sql`select indicator.set_aside(${service}, ${texts(each => each.reason, 80)}::text[],
        ${texts(each => each.detail, 500)}::text[], ${texts(each => each.body, 65_536)}::text[])`;
    },
    async claimPending(maxCandles) {
      const claims = await sql<Claim[]>`
        select c.* from ${unflushed(sql)},
          indicator.claim_pending(${service}, max_candles => ${maxCandles}) as c`;
      const windows = new Map<Claim, Series>();
      const wanted = claims.filter(({ bars }) => bars !== null);
      // After the claim was committed, so that it holds nobody up.
      const unreadable = await apart(wanted, async some => {
        const withNewest = some.some(({ forming_every }) => forming_every === atOnce);
        const found = await reader.readLive(some, { withNewest });
        for (const [claim, series] of found) windows.set(claim, series);
      });
      for (const { item, error } of unreadable) await failPending(item.work_ids, error.message);
      const failed = new Set(unreadable.map(({ item }) => item));
      for (const claim of wanted) {
        if (windows.has(claim) || failed.has(claim)) continue;
        // Without its candles it would be struck off, and nobody would know that it has no values.
        await failPending(claim.work_ids, 'its window of candles was not read');
        failed.add(claim);
      }
      return claims
        .filter(claim => !failed.has(claim))
        .map(claim => ({
          ...toWork(claim, windows.get(claim) ?? seriesOf([])),
          isHistory: false,
          workIds: claim.work_ids,
          pace: claim.forming_every,
        }));
    },
    failPending,
    async keepPending(workIds) {
      const [row] = await sql<{ kept: string[] }[]>`
        select indicator.lease_pending(${workIds as string[]}::bigint[])::text[] as kept`;
      return row?.kept ?? [];
    },
    async releasePending(workIds) {
      await sql`select indicator.lease_pending(${workIds as string[]}::bigint[], '0')`;
    },
    async finishPending(workIds) {
      await sql`select ${unflushed(sql)}, indicator.finish_pending(${workIds as string[]}::bigint[])`;
    },
    async claimBackfill(maxCandles) {
      const [row] = await sql<(Stretch & CandleColumns & { work_id: string })[]>`
        select * from indicator.claim_backfill(${service}, max_candles => ${maxCandles})`;
      if (row === undefined) return undefined;
      return { ...toWork(row, seriesFrom(row)), isHistory: true, workIds: [row.work_id] };
    },
    async finishBackfill(work, reachedBucket) {
      await sql`select indicator.finish_backfill(
        ${work.workIds[0] ?? null}::bigint, ${reachedBucket}::text::timestamptz)`;
    },
    async recordValues(values) {
      const { outputs, verdicts, strengths, horizons, lows, highs } = columnsOf(
        values.map(value => value.reading),
      );
      await sql`select indicator.record_values(
        ${values.map(value => value.indicatorId)}::int[],
        ${values.map(value => value.bucket)}::text[]::timestamptz[],
        ${outputs}::text[], ${verdicts}::int2[], ${strengths}::float8[]::float4[],
        ${horizons}::int[], ${lows}::float8[], ${highs}::float8[],
        ${values.map(value => value.bars)}::int[],
        ${values.map(value => value.revision)}::bigint[],
        ${values.map(value => value.price)}::float8[])`;
    },
    async nudge() {
      await sql`select ${unflushed(sql)}, indicator.nudge(${service})`;
    },
    async drawValues(maxValues, everyMs) {
      const drawn = await sql<Drawn[]>`
        select *, bars_window as bars, bucket as from_bucket, bucket as to_bucket
        from indicator.draw_values(${service}, ${maxValues}, ${everyMs}::int * interval '1 ms')`;
      if (drawn.length === 0) return [];
      return (await reader.read(drawn, { barsAfter: false })).map(([value, series]) => ({
        definition: value,
        bucket: value.bucket,
        revision: value.revision,
        storedAt: value.computed_at,
        series,
      }));
    },
    async compareValues(values) {
      const { outputs, verdicts, strengths, horizons, lows, highs } = columnsOf(
        values.map(value => value.reading),
      );
      const drawn = values.map(value => value.drawn);
      const [row] = await sql<{ differing: number }[]>`select indicator.compare_values(
        ${drawn.map(value => value.definition.indicator_id)}::int[],
        ${drawn.map(value => value.bucket)}::text[]::timestamptz[],
        ${drawn.map(value => value.revision)}::bigint[],
        ${drawn.map(value => value.storedAt)}::text[]::timestamptz[],
        ${values.map(value => value.windowStart)}::text[]::timestamptz[],
        ${outputs}::text[], ${verdicts}::int2[], ${strengths}::float8[]::float4[],
        ${horizons}::int[], ${lows}::float8[], ${highs}::float8[],
        ${values.map(value => value.bars)}::int[],
        ${`node ${process.version}`}) as differing`;
      return row?.differing ?? 0;
    },
  };
}

type Drawn = Definition &
  Placed & {
    readonly bucket: string;
    readonly revision: string;
    readonly computed_at: string;
  };

/** As the database keeps the parts of readings. */
function columnsOf(readings: readonly (Reading | null)[]) {
  return {
    outputs: readings.map(reading => (reading === null ? null : `{${reading.outputs.join()}}`)),
    verdicts: readings.map(reading => reading?.verdict ?? null),
    strengths: readings.map(reading => (reading === null ? null : Math.fround(reading.strength))),
    horizons: readings.map(reading => reading?.forecast?.horizon ?? null),
    lows: readings.map(reading => reading?.forecast?.low ?? null),
    highs: readings.map(reading => reading?.forecast?.high ?? null),
  };
}

interface Stretch {
  readonly instrument_id: number;
  readonly timeframe: string;
  readonly side: string;
  readonly from_bucket: string;
  readonly to_bucket: string;
  readonly closed_to: string;
  readonly revision: string;
  readonly indicators: Definition[];
}

/** A claimed stretch before its candles are read; bars is null when no indicator is left on it. */
type Claim = Stretch & {
  readonly work_ids: string[];
  readonly bars: number | null;
  readonly forming_every: string;
};

function toWork(stretch: Stretch, series: Series) {
  return {
    timeframe: stretch.timeframe,
    fromBucket: stretch.from_bucket,
    toBucket: stretch.to_bucket,
    closedTo: stretch.closed_to,
    revision: stretch.revision,
    indicators: stretch.indicators,
    series,
  };
}
