import type { Sql } from '../../db/runtime/database.ts';
import { numberOf } from './load.ts';

/** A stored value that was seen: it covers every tick of its instrument up to `number`. */
export interface Sighting {
  readonly place: number;
  readonly number: number;
  /** indicator.values.computed_at, milliseconds since 1970. */
  readonly computedAt: number;
  /** When the reader had it, milliseconds since 1970. */
  readonly seenAt: number;
}

export interface Sampler {
  /** In the order in which they were seen; numbers of one place only rise. */
  readonly sightings: readonly Sighting[];
  /** How often the values were read. */
  reads(): number;
  /** The highest number seen at a place; 0 before the first. */
  newest(place: number): number;
  stop(): Promise<void>;
}

/**
 * Reads the newest values of the indicators (of one-minute candles with fast = 1) at every
 * notification of `dashboard`; while a read runs, notifications wait for one more.
 *
 * @param indicatorIds One an instrument; its index is the place.
 */
export async function startSampler(sql: Sql, indicatorIds: readonly number[]): Promise<Sampler> {
  const places = new Map(indicatorIds.map((id, place) => [id, place]));
  const newest = indicatorIds.map(() => 0);
  const sightings: Sighting[] = [];
  let reads = 0;
  let isAsked = false;
  let reading: Promise<void> | undefined;
  let failure: unknown;

  const read = async (): Promise<void> => {
    while (isAsked) {
      isAsked = false;
      // The minute before this one. As a parameter it is a constant to the planner, which opens no other chunks then.
      const from = new Date((Math.floor(Date.now() / 60_000) - 1) * 60_000).toISOString();
      const rows = await sql<{ id: number; fast: number; computed_at: number }[]>`
        select v.indicator_id as id, v.outputs[2] as fast,
          (extract(epoch from v.computed_at) * 1000)::float8 as computed_at
        from indicator.values as v
        where v.indicator_id = any(${[...indicatorIds]}::int[])
          and v.bucket >= ${from}::timestamptz
          and v.outputs is not null
        order by v.bucket`;
      const seenAt = Date.now();
      reads += 1;
      for (const row of rows) {
        const place = places.get(row.id) ?? -1;
        const number = numberOf(row.fast);
        if (number <= (newest[place] ?? Number.POSITIVE_INFINITY)) continue;
        newest[place] = number;
        sightings.push({ place, number, computedAt: row.computed_at, seenAt });
      }
    }
  };

  const listener = await sql.listen('dashboard', what => {
    if (what !== 'values') return;
    isAsked = true;
    reading ??= read()
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => {
        reading = undefined;
      });
  });
  return {
    sightings,
    reads: () => reads,
    newest: place => newest[place] ?? 0,
    async stop() {
      await listener.unlisten();
      await reading;
      if (failure !== undefined) throw failure;
    },
  };
}
