import type { Sql } from '../../../db/runtime/database.ts';

/** What was said of candles one after the other, and where the price stood so many candles later: 1, 0, -1. */
export interface Said {
  readonly indicatorId: number;
  readonly horizon: number;
  readonly verdicts: readonly number[];
  readonly moves: readonly number[];
}

const width = 16;
const start = Date.UTC(2024, 0, 1) / 1_000;

/** Indicators on candles of a minute that nobody computes. */
export async function defineMany(sql: Sql, symbol: string, count: number): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    insert into indicator.definitions (instrument_id, timeframe, side, kind, service, params, label, bars_required, bars_window, output_count)
    select feed.instrument_id(${symbol}), '1m', 'bid', 'ma_cross', 'classical', jsonb_build_object('run', n), 'run', 1, 1, 1
    from generate_series(1, ${count}) as n order by n returning indicator_id as id`;
  return rows.map(row => row.id);
}

/** Counts them as track.count_stretch does, as the values that are now. */
export async function storeBlocks(sql: Sql, all: readonly Said[]): Promise<void> {
  const rows = all.flatMap(({ indicatorId, horizon, verdicts, moves }) =>
    Array.from({ length: Math.ceil(verdicts.length / width) }, (_, block) => {
      const said = verdicts.slice(block * width, (block + 1) * width);
      const moved = moves.slice(block * width, (block + 1) * width);
      const count = (isCounted: (verdict: number, move: number) => boolean) =>
        said.filter((verdict, index) => isCounted(verdict, moved[index] ?? 0)).length;
      return [
        indicatorId,
        horizon,
        start + block * width * 60,
        said.length,
        count((_verdict, move) => move > 0),
        count((_verdict, move) => move < 0),
        count(verdict => verdict > 0),
        count(verdict => verdict < 0),
        count((verdict, move) => verdict > 0 && move > 0),
        count((verdict, move) => verdict < 0 && move < 0),
      ];
    }),
  );
  const column = (part: readonly number[][], index: number) => part.map(row => row[index] ?? 0);
  for (let from = 0; from < rows.length; from += 20_000) {
    const part = rows.slice(from, from + 20_000);
    await sql`
      insert into track.blocks as b
        (indicator_id, as_said, horizon, level, block, candles, ups, downs, bullish, bearish, bullish_hits, bearish_hits)
      select r.id, false, r.horizon, l.level, feed.bucket(interval '16 minutes' * 4 ^ l.level, to_timestamp(r.at)),
        sum(r.candles), sum(r.ups), sum(r.downs), sum(r.bullish), sum(r.bearish), sum(r.bullish_hits), sum(r.bearish_hits)
      from unnest(${column(part, 0)}::int[], ${column(part, 1)}::int[], ${column(part, 2)}::bigint[],
        ${column(part, 3)}::int[], ${column(part, 4)}::int[], ${column(part, 5)}::int[], ${column(part, 6)}::int[],
        ${column(part, 7)}::int[], ${column(part, 8)}::int[], ${column(part, 9)}::int[])
        as r(id, horizon, at, candles, ups, downs, bullish, bearish, bullish_hits, bearish_hits)
      cross join generate_series(0, 5) as l(level)
      group by 1, 2, 3, 4, 5
      on conflict (indicator_id, as_said, horizon, level, block) do update set
        candles = b.candles + excluded.candles, ups = b.ups + excluded.ups, downs = b.downs + excluded.downs,
        bullish = b.bullish + excluded.bullish, bearish = b.bearish + excluded.bearish,
        bullish_hits = b.bullish_hits + excluded.bullish_hits, bearish_hits = b.bearish_hits + excluded.bearish_hits`;
  }
}
