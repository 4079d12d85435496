import { type Series, type StoredColumns, seriesWith, storedColumns } from './window.ts';

/** How far captures had come when a series was read, as `indicator.candles_since` says it. */
export interface Mark {
  readonly revision: bigint;
  /** UTC text of the database. */
  readonly at: string;
}

/** What a look at a series found. */
export interface Change extends Mark {
  /** The candles that changed since the mark that was asked about are all in `candles`. */
  readonly isKnown: boolean;
  readonly candles: Series;
  /** Candles before this bucket are given up. */
  readonly floorAt: string;
  /** Its spreads are read. */
  readonly withSpread: boolean;
}

/** The candles from one bucket to another, and as many before and after as windows of `bars` hold beside one of them. */
export interface Place {
  readonly fromBucket: string;
  readonly toBucket: string;
  readonly bars: number;
}

interface Kept {
  mark: Mark;
  floorAt: string;
  readonly withSpread: boolean;
  readonly candles: Candles;
  /** There are none before its first. */
  isWhole: boolean;
  /** The longest window that was asked for. */
  bars: number;
}

/** Of all series together; about 100 bytes each. */
const maxCandles = 500_000;
/** More than any window needs is let go of when it is so many candles. */
const maxSpare = 1_000;

/**
 * The candles of the series whose values are live, up to the newest: of a window of hundreds of candles one has changed
 * since the last value, and only that is read again. What changed is asked of the database each time, and at any
 * doubt the whole is read again, so a window is what `indicator.candle_windows` would give.
 */
export class LiveSeries {
  /** The one that was asked for longest ago comes first. */
  readonly #kept = new Map<string, Kept>();
  #count = 0;

  mark(key: string): Mark | undefined {
    return this.#kept.get(key)?.mark;
  }

  /**
   * Several may ask at once, and be answered in any order: an older answer takes the mark back, so that the next
   * one brings again what is newer.
   *
   * @param since The mark that the change was asked for with.
   */
  change(key: string, since: Mark | undefined, change: Change): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    const isGap = since === undefined || since.revision > kept.mark.revision;
    const isOther = change.withSpread !== kept.withSpread || change.floorAt < kept.floorAt;
    if (isGap || isOther || !change.isKnown) {
      this.#remove(key);
      return;
    }
    this.#count += kept.candles.put(change.candles);
    kept.mark = { revision: change.revision, at: change.at };
    kept.floorAt = change.floorAt;
  }

  /**
   * Keeps what was read after the change was asked for, up to the newest candle.
   *
   * @param bars Of the window that it was read for.
   * @param isWhole There are no candles before its first.
   */
  keep(
    key: string,
    { revision, at, floorAt, withSpread }: Change,
    series: Series,
    { bars, isWhole }: { bars: number; isWhole: boolean },
  ): void {
    this.#remove(key);
    const candles = new Candles(series);
    this.#kept.set(key, { mark: { revision, at }, floorAt, withSpread, candles, isWhole, bars });
    this.#count += candles.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#count <= maxCandles) return;
      this.#remove(oldest);
    }
  }

  /** Undefined where it would hold candles that are not kept, and where those that are asked for are not there. */
  window(key: string, { fromBucket, toBucket, bars }: Place): Series | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#use(key, kept, bars);
    const { candles, floorAt } = kept;
    if (!candles.has(fromBucket) || !candles.has(toBucket)) return undefined;
    const from = candles.placeOf(fromBucket) - bars + 1;
    const floor = candles.placeOf(floorAt);
    if (from < 0 && !kept.isWhole && floor === 0) return undefined;
    return candles.window(Math.max(from, floor), candles.placeAfter(toBucket) + bars - 1);
  }

  /** At any doubt. */
  clear(): void {
    this.#kept.clear();
    this.#count = 0;
  }

  #use(key: string, kept: Kept, bars: number): void {
    kept.bars = Math.max(kept.bars, bars);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const spare = kept.candles.length - 2 * kept.bars;
    if (spare <= maxSpare) return;
    this.#count -= spare;
    kept.candles.forget(spare);
    kept.isWhole = false;
  }

  #remove(key: string): void {
    this.#count -= this.#kept.get(key)?.candles.length ?? 0;
    this.#kept.delete(key);
  }
}

/** Columns that grow. Windows are copies, as candles change while values are computed from them. */
class Candles {
  #buckets: string[];
  #columns: StoredColumns;

  constructor({ buckets, columns }: Series) {
    this.#buckets = [...buckets];
    this.#columns = eachColumn(name => Float64Array.from(columns[name]));
  }

  get length(): number {
    return this.#buckets.length;
  }

  /** The first place whose bucket is not before this one. Buckets are UTC texts of one width, in the order of their text. */
  placeOf(bucket: string): number {
    return this.#placeWhere(other => other >= bucket);
  }

  has(bucket: string): boolean {
    return this.#buckets[this.placeOf(bucket)] === bucket;
  }

  placeAfter(bucket: string): number {
    return this.#placeWhere(other => other > bucket);
  }

  #placeWhere(isReached: (bucket: string) => boolean): number {
    let [from, to] = [0, this.#buckets.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (isReached(this.#buckets[middle] ?? '')) to = middle;
      else from = middle + 1;
    }
    return from;
  }

  /** Replaces and adds; says how many were added. */
  put({ buckets, columns }: Series): number {
    const before = this.length;
    for (const [index, bucket] of buckets.entries()) {
      const place = this.placeOf(bucket);
      if (this.#buckets[place] !== bucket) this.#makeRoom(place, bucket);
      for (const name of storedColumns)
        this.#columns[name][place] = columns[name][index] ?? Number.NaN;
    }
    return this.length - before;
  }

  #makeRoom(place: number, bucket: string): void {
    const length = this.length;
    const isInBetween = place < length;
    if (isInBetween || length === this.#columns.close.length) {
      this.#columns = eachColumn(name => {
        const grown = new Float64Array(2 * length + 16);
        grown.set(this.#columns[name].subarray(0, place));
        grown.set(this.#columns[name].subarray(place, length), place + 1);
        return grown;
      });
    }
    this.#buckets.splice(place, 0, bucket);
  }

  window(from: number, to: number): Series {
    const end = Math.min(to, this.length);
    return seriesWith(
      this.#buckets.slice(from, end),
      eachColumn(name => this.#columns[name].slice(from, end)),
    );
  }

  /** @param count Of the oldest. */
  forget(count: number): void {
    this.#columns = eachColumn(name => this.#columns[name].slice(count, this.length));
    this.#buckets = this.#buckets.slice(count);
  }
}

const eachColumn = (column: (name: keyof StoredColumns) => Float64Array): StoredColumns =>
  Object.fromEntries(storedColumns.map(name => [name, column(name)])) as StoredColumns;
