import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Sql } from '../../db/runtime/database.ts';
import { createRandom } from '../../tests/support/random.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { fromEpochMicroseconds } from '../../workers/ingest/time.ts';

export interface MarketOptions {
  readonly symbols: readonly string[];
  /** Microseconds since 1970 of the first tick. */
  readonly from: number;
  /** Ticks of all symbols together. */
  readonly count: number;
  /** Ticks of one symbol a second. */
  readonly perSecond: number;
}

/**
 * Quotes as a stream brings them: the symbols take turns, prices walk in steps of 0.00001 with a
 * spread of 0.00010 to 0.00019. The same options always give the same ticks.
 */
export function marketTicks({ symbols, from, count, perSecond }: MarketOptions): Tick[] {
  const random = createRandom(7);
  const points = symbols.map((_, index) => 40_000 + 1_000 * index);
  const step = 1_000_000 / (perSecond * symbols.length);
  return Array.from({ length: count }, (_, index) => {
    const place = index % symbols.length;
    const bid = Math.max(1, (points[place] ?? 0) + Math.floor(random.next() * 7) - 3);
    points[place] = bid;
    return {
      symbol: symbols[place] ?? '',
      observedAt: fromEpochMicroseconds(from + Math.round(index * step)),
      seq: 0,
      bid: bid / 100_000,
      ask: (bid + 10 + Math.floor(random.next() * 10)) / 100_000,
      last: null,
      size: null,
    };
  });
}

/** Adds `count` instruments of the source `manual`; returns their ids by symbol. */
export async function addInstruments(sql: Sql, count: number): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const symbol = `BENCH_${String(index).padStart(2, '0')}`;
    const [row] = await sql<
      { id: number }[]
    >`select feed.add_instrument(${symbol}, 'manual') as id`;
    ids.set(symbol, row?.id ?? 0);
  }
  return ids;
}

/** One connection of node-postgres, for COPY; a lost one is told by the query that fails. */
export async function openClient(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: '-c TimeZone=UTC' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Ticks in COPY's text format, for {@link copyTicks}. */
export function toCopyText(ticks: readonly Tick[], ids: ReadonlyMap<string, number>): Buffer {
  const lines = ticks.map(tick =>
    [ids.get(tick.symbol), tick.observedAt, tick.seq, tick.bid, tick.ask, tick.last, tick.size]
      .map(value => (value === null ? '\\N' : String(value)))
      .join('\t'),
  );
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** One COPY of a whole text into a table with the columns of feed.ticks; a commit of its own. */
export async function copyTicks(client: pg.Client, table: string, text: Buffer): Promise<void> {
  const stream = client.query(
    copyFrom(`copy ${table} (instrument_id, observed_at, seq, bid, ask, last, size) from stdin`),
  );
  const done = finished(stream);
  done.catch(() => undefined);
  for (let start = 0; start < text.length && !stream.destroyed; start += 65_536) {
    if (!stream.write(text.subarray(start, start + 65_536))) {
      await Promise.race([once(stream, 'drain'), done]);
    }
  }
  stream.end();
  await done;
}
