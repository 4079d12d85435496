create or replace function indicator.candle_windows(
  instrument_ids int[], timeframes text[], sides text[],
  from_buckets timestamptz[], to_buckets timestamptz[], bars_before int[], bars_after int[]
)
returns table (
  "position" int,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[]
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.position::int, w.buckets, w.opens, w.highs, w.lows, w.closes, w.sums, w.volumes, w.tick_counts
  from unnest(instrument_ids, timeframes, sides, from_buckets, to_buckets, bars_before, bars_after)
    with ordinality as s(instrument_id, timeframe, side, from_bucket, to_bucket, bars_before, bars_after, position)
  cross join lateral indicator.candle_window(
    s.instrument_id, s.timeframe, s.side, s.from_bucket, s.to_bucket, s.bars_before, s.bars_after) as w
  order by s.position
$$;

comment on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) is
  'indicator.candle_window for several stretches at once (array i is stretch i); position counts them from 1. Errors: NOTFR.';
grant execute on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) to foresight_indicators;
