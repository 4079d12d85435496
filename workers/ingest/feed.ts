import { type Sql, unflushed } from '../../db/runtime/database.ts';
import { printable } from '../../db/runtime/logger.ts';
import type { Rejection } from './rejection.ts';
import type {
  Gap,
  Grade,
  Instrument,
  Prices,
  ProviderCandle,
  Source,
  Tick,
  TickKey,
} from './source.ts';
import { toSeq } from './tick.ts';

export interface Counts {
  readonly stored: number;
  readonly duplicate: number;
  readonly conflicting: number;
  readonly rejected: number;
}

export const noCounts: Counts = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };

export const addCounts = (one: Counts, other: Counts): Counts => ({
  stored: one.stored + other.stored,
  duplicate: one.duplicate + other.duplicate,
  conflicting: one.conflicting + other.conflicting,
  rejected: one.rejected + other.rejected,
});

/** How we have a tick, as the type of this name in schema feed says it. */
export type Origin = 'heard' | 'fetched' | 'reconstructed';

/** How far a file was replayed. */
export interface Replay {
  readonly fingerprint: string;
  readonly symbol: string;
  readonly fileName: string;
  readonly line: number;
  readonly isFinished: boolean;
}

/** A time of which everything is stored, both ends included. */
export interface Stretch {
  readonly symbol: string;
  readonly from: string;
  readonly to: string;
  /** Why there may be a gap before it; of something that was missed, why. */
  readonly cause: string | null;
}

export interface ClaimedGap extends Gap {
  readonly id: string;
}

export interface Feed {
  registerSource(
    source: Pick<Source, 'name' | 'isSimulated' | 'description'>,
    isRepairable: boolean,
  ): Promise<void>;
  /**
   * One that is there already stays as it is, except that it is shown again, and has a calendar if it had none.
   * @param isActive Shown at once, which is usual; else one that was never shown waits for `showInstruments`.
   */
  addInstrument(source: string, instrument: Instrument, isActive?: boolean): Promise<void>;
  /** Whether the instrument, if there is one, has prices of zero and below. */
  allowsNegative(symbol: string): Promise<boolean>;
  /** From now on it has. */
  allowNegative(symbol: string, source: string): Promise<void>;
  /** Prices are shown with at least so many digits after the decimal point. */
  showDigits(symbol: string, digits: number): Promise<void>;
  showInstruments(source: string): Promise<void>;
  setActive(source: string, isActive: boolean): Promise<void>;
  hideSimulated(): Promise<void>;
  /** The symbols that the source is to follow now. */
  followed(source: string): Promise<string[]>;
  storedUntil(symbols: readonly string[]): Promise<Map<string, string>>;
  /** @param arrays The ticks as they are sent, when they were written out before. */
  recordTicks(
    source: string,
    ticks: readonly Tick[],
    arrays?: TickArrays,
    origin?: Origin,
  ): Promise<Counts>;
  /** Of what is missing of a symbol between these times, from candles that are so wide. */
  reconstructTicks(
    source: string,
    gap: Pick<Gap, 'symbol' | 'from' | 'to'>,
    widthSeconds: number,
    candles: readonly ProviderCandle[],
  ): Promise<void>;
  rejectTicks(
    source: string,
    rejections: readonly (Rejection & {
      /** How many alike it stands for; absent: itself. */
      readonly count?: number;
    })[],
  ): Promise<void>;
  recordState(
    source: string,
    state: 'connected' | 'disconnected' | 'stopped',
    reason: string | null,
    /** So many milliseconds its provider asked to be left alone. */
    aloneForMs?: number | null,
  ): Promise<void>;
  /** So many milliseconds its provider asked to be left alone, whatever its state is. */
  leaveAlone(source: string, milliseconds: number): Promise<void>;
  /** How many milliseconds the provider still wants to be left alone, as it told a process before. */
  aloneFor(source: string): Promise<number>;
  /** After the ticks of that time are stored. */
  extendCoverage(
    source: string,
    stretches: readonly Stretch[],
    grade?: Grade | 'heard',
  ): Promise<void>;
  openGaps(source: string, missed: readonly Stretch[]): Promise<void>;
  /** A gap whose time to be repaired has come, or null. */
  claimGap(source: string): Promise<ClaimedGap | null>;
  /** To be repaired again: at once, or after a fault later. */
  releaseGap(id: string, fault: string | null): Promise<void>;
  giveUpGap(id: string, reason: string): Promise<void>;
  /** How a source is polled, as its row says it; null when there is none. */
  polledSource(source: string): Promise<unknown>;
  /** What came of asking a polled source. */
  recordTrial(source: string, works: boolean, outcome: string): Promise<void>;
  /** The last line that an interrupted replay of a file has stored, else 0. */
  replayedUntil(fingerprint: string, symbol: string): Promise<number>;
  recordReplay(replay: Replay): Promise<void>;
  /** Wakes the publisher, and upkeep if ticks were late; call it after a commit. */
  nudge(): Promise<void>;
}

/** Ticks as PostgreSQL's text of arrays: element i of each belongs to tick i. */
export interface TickArrays {
  readonly symbols: string;
  readonly observedAts: string;
  readonly seqs: string;
  readonly bids: string;
  readonly asks: string;
  readonly lasts: string;
  readonly sizes: string;
  /** Null when every tick has an id. */
  readonly copies: string | null;
}

export function writeArrays(ticks: readonly Tick[]): TickArrays {
  return {
    symbols: arrayOf(ticks, tick => tick.symbol),
    observedAts: arrayOf(ticks, tick => tick.observedAt),
    seqs: arrayOf(ticks, tick => tick.seq),
    bids: arrayOf(ticks, tick => tick.bid),
    asks: arrayOf(ticks, tick => tick.ask),
    lasts: arrayOf(ticks, tick => tick.last),
    sizes: arrayOf(ticks, tick => tick.size),
    copies: ticks.some(tick => tick.seq === null) ? arrayOf(ticks, tick => tick.copy ?? 1) : null,
  };
}

/** The SQL functions of schema feed. Times go as text: a JavaScript Date would lose microseconds. */
export function createFeed(sql: Sql): Feed {
  return {
    async registerSource({ name, isSimulated, description }, isRepairable) {
      await sql`select feed.register_source(
        ${name}, ${isSimulated}, ${description}, is_repairable => ${isRepairable})`;
    },
    async addInstrument(source, instrument, isActive = true) {
      const { symbol, description, pricePrecision, calendar = null } = instrument;
      await sql`select feed.add_instrument(
        ${symbol}, ${source}, ${description}, ${pricePrecision}, ${isActive},
        changes_existing => false, calendar => ${calendar})`;
    },
    async showInstruments(source) {
      await sql`select feed.show_instruments(${source})`;
    },
    async allowsNegative(symbol) {
      const [row] = await sql<[{ allows: boolean }]>`
        select feed.allows_negative(${symbol}) as allows`;
      return row.allows;
    },
    async allowNegative(symbol, source) {
      await sql`select feed.add_instrument(${symbol}, ${source}, allows_negative => true)`;
    },
    async showDigits(symbol, digits) {
      await sql`select feed.show_digits(${symbol}, ${digits})`;
    },
    async setActive(source, isActive) {
      await sql`select feed.set_active(${source}, ${isActive})`;
    },
    async hideSimulated() {
      await sql`select feed.hide_simulated()`;
    },
    async followed(source) {
      const rows = await sql<{ symbol: string }[]>`
        select f.symbol from feed.followed(${source}) as f(symbol)`;
      return rows.map(row => row.symbol);
    },
    async storedUntil(symbols) {
      const rows = await sql<{ symbol: string; stored_until: string }[]>`
        select symbol, to_char(stored_until, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as stored_until
        from feed.stored_until(${[...symbols]}::text[])`;
      return new Map(rows.map(row => [row.symbol, row.stored_until]));
    },
    async recordTicks(source, ticks, arrays = writeArrays(ticks), origin = 'heard') {
      const [row] = await sql<
        {
          stored_count: number;
          duplicate_count: number;
          conflicting_count: number;
          rejected_count: number;
        }[]
      >`select * from feed.record_ticks(
        ${source},
        ${arrays.symbols}::text::text[],
        ${arrays.observedAts}::text::timestamptz[],
        ${arrays.seqs}::text::bigint[],
        ${arrays.bids}::text::float8[],
        ${arrays.asks}::text::float8[],
        ${arrays.lasts}::text::float8[],
        ${arrays.sizes}::text::float8[],
        copies => ${arrays.copies}::text::int[],
        origin => ${origin}::feed.tick_origin)`;
      return {
        stored: row?.stored_count ?? 0,
        duplicate: row?.duplicate_count ?? 0,
        conflicting: row?.conflicting_count ?? 0,
        rejected: row?.rejected_count ?? 0,
      };
    },
    async reconstructTicks(source, { symbol, from, to }, widthSeconds, candles) {
      const pricesOf = (side: 'bid' | 'ask', price: keyof Prices) =>
        candles.map(candle => candle[side]?.[price] ?? null);
      await sql`select feed.reconstruct_ticks(
        ${source}, ${symbol}, ${from}::text::timestamptz, ${to}::text::timestamptz,
        ${widthSeconds}::int * interval '1 second',
        ${candles.map(candle => candle.from)}::text[]::timestamptz[],
        ${pricesOf('bid', 'open')}::float8[], ${pricesOf('bid', 'high')}::float8[],
        ${pricesOf('bid', 'low')}::float8[], ${pricesOf('bid', 'close')}::float8[],
        ${pricesOf('ask', 'open')}::float8[], ${pricesOf('ask', 'high')}::float8[],
        ${pricesOf('ask', 'low')}::float8[], ${pricesOf('ask', 'close')}::float8[])`;
    },
    async rejectTicks(source, rejections) {
      await sql`select feed.reject_ticks(
        ${source},
        ${rejections.map(({ symbol }) => (symbol === null ? null : printable(symbol)))}::text[],
        ${rejections.map(rejection => rejection.reason)}::text[],
        ${rejections.map(rejection => printable(rejection.detail))}::text[],
        ${rejections.map(rejection => printable(rejection.raw))}::text[],
        ${rejections.map(rejection => rejection.count ?? 1)}::bigint[])`;
    },
    async recordState(source, state, reason, aloneForMs = null) {
      await sql`select feed.record_source_state(${source}, ${state}, ${reason && printable(reason)},
        ${aloneForMs}::float8 * interval '1 millisecond')`;
    },
    async leaveAlone(source, milliseconds) {
      await sql`select feed.leave_alone(${source}, ${milliseconds}::float8 * interval '1 millisecond')`;
    },
    async aloneFor(source) {
      const [row] = await sql<[{ left: number | null }]>`
        select (extract(epoch from feed.alone_for(${source})) * 1000)::float8 as left`;
      return row.left ?? 0;
    },
    async extendCoverage(source, stretches, grade = 'heard') {
      await sql`select feed.extend_coverage(
        ${source},
        ${stretches.map(stretch => stretch.symbol)}::text[],
        ${stretches.map(stretch => stretch.from)}::text[]::timestamptz[],
        ${stretches.map(stretch => stretch.to)}::text[]::timestamptz[],
        ${stretches.map(stretch => stretch.cause && printable(stretch.cause))}::text[],
        ${grade})`;
    },
    async openGaps(source, missed) {
      await sql`select feed.open_gaps(
        ${source},
        ${missed.map(stretch => stretch.symbol)}::text[],
        ${missed.map(stretch => stretch.from)}::text[]::timestamptz[],
        ${missed.map(stretch => stretch.to)}::text[]::timestamptz[],
        ${missed.map(stretch => stretch.cause && printable(stretch.cause))}::text[])`;
    },
    async claimGap(source) {
      const [row] = await sql<
        {
          id: string;
          symbol: string;
          from: string;
          to: string;
          cause: string;
          before_at: string | null;
          before_seq: string | null;
          after_at: string | null;
          after_seq: string | null;
        }[]
      >`select gap_id as id, symbol, cause, before_seq, after_seq,
          to_char(missing_from, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as from,
          to_char(missing_to, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as to,
          to_char(before_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as before_at,
          to_char(after_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as after_at
        from feed.claim_gap(${source})`;
      if (row === undefined) return null;
      const { id, symbol, from, to, cause } = row;
      const before = keyOf(row.before_at, row.before_seq);
      const after = keyOf(row.after_at, row.after_seq);
      return { id, symbol, from, to, cause, before, after };
    },
    async releaseGap(id, fault) {
      await sql`select feed.release_gap(${id}::bigint, ${fault && printable(fault)})`;
    },
    async giveUpGap(id, reason) {
      await sql`select feed.give_up_gap(${id}::bigint, ${printable(reason)})`;
    },
    async polledSource(source) {
      const [row] = await sql<{ told: unknown }[]>`select feed.polled_source(${source}) as told`;
      return row?.told ?? null;
    },
    async recordTrial(source, works, outcome) {
      await sql`select feed.record_trial(${source}, ${works}, ${printable(outcome)})`;
    },
    async replayedUntil(fingerprint, symbol) {
      const [row] = await sql<{ line: string }[]>`
        select feed.replayed_until(${fingerprint}, ${symbol}) as line`;
      return Number(row?.line ?? 0);
    },
    async recordReplay({ fingerprint, symbol, fileName, line, isFinished }) {
      await sql`select feed.record_replay(
        ${fingerprint}, ${symbol}, ${fileName}, ${line}::bigint, ${isFinished})`;
    },
    async nudge() {
      await sql`select ${unflushed(sql)}, outbox.nudge()`;
    },
  };
}

function keyOf(observedAt: string | null, seq: string | null): TickKey | null {
  return observedAt === null ? null : { observedAt, seq: seq === null ? null : toSeq(seq) };
}

/**
 * PostgreSQL's text of an array with an element per tick. The driver's own takes twice as long, in the one
 * thread of the process.
 */
function arrayOf(
  ticks: readonly Tick[],
  pick: (tick: Tick) => string | number | bigint | null,
): string {
  let text = '{';
  for (const tick of ticks) {
    const value = pick(tick);
    if (text.length > 1) text += ',';
    if (value === null) text += 'NULL';
    else if (typeof value !== 'string') text += value;
    else text += `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value}"`;
  }
  return `${text}}`;
}
