import type { Sql } from '../../db/runtime/database.ts';
import { type Change, LiveSeries, type Place } from './live_series.ts';
import { type CandleColumns, type Series, seriesFrom } from './window.ts';

/** Whose candles are read, and how many of them at least. */
export interface Placed {
  readonly instrument_id: number;
  readonly timeframe: string;
  readonly side: string;
  readonly from_bucket: string;
  readonly to_bucket: string;
  readonly bars: number | null;
}

/** What reads the candles that values are computed from. What has no series in the answer was not read. */
export interface WindowReader {
  /** @param barsAfter The candles whose windows hold `to_bucket`, too. */
  read<Asked extends Placed>(
    asked: readonly Asked[],
    options: { readonly barsAfter: boolean },
  ): Promise<[Asked, Series][]>;
  /**
   * The same with the bars after, of series whose values are live: of what this reader keeps already, only what
   * changed is read.
   *
   * @param withNewest What came in since it was captured is in what is kept, too.
   */
  readLive<Asked extends Placed>(
    asked: readonly Asked[],
    options: { readonly withNewest: boolean },
  ): Promise<[Asked, Series][]>;
}

export function createWindowReader(sql: Sql): WindowReader {
  const live = new LiveSeries();

  async function read<Asked extends Placed>(
    asked: readonly Asked[],
    { barsAfter }: { readonly barsAfter: boolean },
  ): Promise<[Asked, Series][]> {
    const before = asked.map(({ bars }) => (bars ?? 1) - 1);
    const rows = await sql<(CandleColumns & { position: number })[]>`
      select * from indicator.candle_windows(
        ${asked.map(each => each.instrument_id)}::int[],
        ${asked.map(each => each.timeframe)}::text[],
        ${asked.map(each => each.side)}::text[],
        ${asked.map(each => each.from_bucket)}::text[]::timestamptz[],
        ${asked.map(each => each.to_bucket)}::text[]::timestamptz[],
        ${before}::int[], ${before.map(bars => (barsAfter ? bars : 0))}::int[])`;
    return rows.flatMap(row => {
      const each = asked[row.position - 1];
      return each === undefined ? [] : [[each, seriesFrom(row)]];
    });
  }

  /** What changed in these series since they were read last. */
  async function readChanges(
    places: readonly Placed[],
    { withNewest }: { readonly withNewest: boolean },
  ): Promise<Map<string, Change>> {
    const asked = [...new Map(places.map(place => [keyOf(place), place]))].map(([key, place]) => ({
      key,
      place,
      since: live.mark(key),
    }));
    const rows = await sql<ChangedSeries[]>`
      select * from indicator.candles_since(
        ${asked.map(({ place }) => place.instrument_id)}::int[],
        ${asked.map(({ place }) => place.timeframe)}::text[],
        ${asked.map(({ place }) => place.side)}::text[],
        ${asked.map(({ since }) => since?.revision.toString() ?? null)}::text[]::bigint[],
        ${asked.map(({ since }) => since?.at ?? null)}::text[]::timestamptz[],
        with_newest => ${withNewest})`;
    const changes = new Map<string, Change>();
    for (const row of rows) {
      const { key, since } = asked[row.position - 1] ?? {};
      if (key === undefined) continue;
      const change = {
        revision: BigInt(row.captured_revision),
        at: row.captured_at,
        isKnown: row.is_known,
        candles: seriesFrom(row),
        floorAt: row.floor_at,
        withSpread: row.with_spread,
      };
      live.change(key, since, change);
      changes.set(key, change);
    }
    return changes;
  }

  function keep(asked: Placed, change: Change, series: Series): void {
    const { fromBucket, toBucket, bars } = placeOf(asked);
    const hasAll = (beyond: readonly string[]) => beyond.length < bars - 1;
    // Else there may be newer ones.
    if (!hasAll(series.buckets.filter(bucket => bucket > toBucket))) return;
    const isWhole = hasAll(series.buckets.filter(bucket => bucket < fromBucket));
    live.keep(keyOf(asked), change, series, { bars, isWhole });
  }

  return {
    read,
    async readLive(asked, options) {
      try {
        const changes = await readChanges(asked, options);
        const found: [(typeof asked)[number], Series][] = [];
        const unread: (typeof asked)[number][] = [];
        for (const each of asked) {
          const series = live.window(keyOf(each), placeOf(each));
          if (series === undefined) unread.push(each);
          else found.push([each, series]);
        }
        if (unread.length === 0) return found;
        for (const [each, series] of await read(unread, { barsAfter: true })) {
          found.push([each, series]);
          const change = changes.get(keyOf(each));
          if (change !== undefined) keep(each, change, series);
        }
        return found;
      } catch (error) {
        live.clear();
        throw error;
      }
    },
  };
}

/** A row of `indicator.candles_since`. */
type ChangedSeries = CandleColumns & {
  readonly position: number;
  readonly captured_revision: string;
  readonly captured_at: string;
  readonly floor_at: string;
  readonly with_spread: boolean;
  readonly is_known: boolean;
};

const keyOf = ({ instrument_id, timeframe, side }: Placed): string =>
  `${instrument_id} ${timeframe} ${side}`;

const placeOf = ({ from_bucket, to_bucket, bars }: Placed): Place => ({
  fromBucket: from_bucket,
  toBucket: to_bucket,
  bars: bars ?? 1,
});
