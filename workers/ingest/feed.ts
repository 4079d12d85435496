import type { Sql } from '../../db/runtime/database.ts';
import type { Rejection } from './rejection.ts';
import type { Instrument, Tick } from './source.ts';

export interface Counts {
  readonly stored: number;
  readonly duplicate: number;
  readonly conflicting: number;
  readonly rejected: number;
}

/** How far a file was replayed. */
export interface Replay {
  readonly fingerprint: string;
  readonly symbol: string;
  readonly fileName: string;
  readonly line: number;
  readonly isFinished: boolean;
}

export interface Feed {
  addInstrument(source: string, instrument: Instrument): Promise<void>;
  setActive(source: string, isActive: boolean): Promise<void>;
  storedUntil(symbols: readonly string[]): Promise<Map<string, string>>;
  /** @param arrays The ticks as they are sent, when they were written out before. */
  recordTicks(source: string, ticks: readonly Tick[], arrays?: TickArrays): Promise<Counts>;
  rejectTicks(source: string, rejections: readonly Rejection[]): Promise<void>;
  recordState(
    source: string,
    state: 'connected' | 'disconnected' | 'stopped',
    reason: string | null,
  ): Promise<void>;
  extendCoverage(source: string, from: string, to: string): Promise<void>;
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
  };
}

/** The SQL functions of schema feed. Times go as text: a JavaScript Date would lose microseconds. */
export function createFeed(sql: Sql): Feed {
  return {
    async addInstrument(source, { symbol, description, pricePrecision }) {
      await sql`select feed.add_instrument(${symbol}, ${source}, ${description}, ${pricePrecision})`;
    },
    async setActive(source, isActive) {
      await sql`select feed.set_active(${source}, ${isActive})`;
    },
    async storedUntil(symbols) {
      const rows = await sql<{ symbol: string; observed_at: string }[]>`
        select symbol, to_char(observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as observed_at
        from feed.stored_until(${[...symbols]}::text[])`;
      return new Map(rows.map(row => [row.symbol, row.observed_at]));
    },
    async recordTicks(source, ticks, arrays = writeArrays(ticks)) {
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
        ${arrays.sizes}::text::float8[])`;
      return {
        stored: row?.stored_count ?? 0,
        duplicate: row?.duplicate_count ?? 0,
        conflicting: row?.conflicting_count ?? 0,
        rejected: row?.rejected_count ?? 0,
      };
    },
    async rejectTicks(source, rejections) {
      await sql`select feed.reject_ticks(
        ${source},
        ${rejections.map(({ symbol }) => (symbol === null ? null : printable(symbol)))}::text[],
        ${rejections.map(rejection => rejection.reason)}::text[],
        ${rejections.map(rejection => printable(rejection.detail))}::text[],
        ${rejections.map(rejection => printable(rejection.raw))}::text[])`;
    },
    async recordState(source, state, reason) {
      await sql`select feed.record_source_state(${source}, ${state}, ${reason})`;
    },
    async extendCoverage(source, from, to) {
      await sql`select feed.extend_coverage(
        ${source}, ${from}::text::timestamptz, ${to}::text::timestamptz)`;
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
      await sql`select outbox.nudge()`;
    },
  };
}

/**
 * PostgreSQL's text of an array with an element a tick. The driver's own takes three times as long, in
 * the one thread of the process: 7.0 against 3.6 ms for the seven arrays of 5,000 ticks.
 */
function arrayOf(ticks: readonly Tick[], pick: (tick: Tick) => string | number | null): string {
  let text = '{';
  for (const tick of ticks) {
    const value = pick(tick);
    if (text.length > 1) text += ',';
    if (value === null) text += 'NULL';
    else if (typeof value === 'number') text += value;
    else text += `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, '\\$&') : value}"`;
  }
  return `${text}}`;
}

/** PostgreSQL's text holds no NUL, and a lone surrogate is no character. */
function printable(text: string): string {
  return text.replaceAll('\0', '\u2400').toWellFormed();
}
