-- All in one statement, so that what it says of captures is true of the candles. What is not told here of a
-- series that was read before has not changed since: a capture changes candles that are not long over, which are looked at
-- from then on, or says in outbox.late_changes that it changed another one. Captured candles are a plain table: a read
-- of a continuous aggregate takes longer to plan than this to run.
create or replace function indicator.candles_since(
  instrument_ids int[], timeframes text[], sides text[], since_revisions bigint[], since_times timestamptz[]
)
returns table (
  "position" int, captured_revision bigint, captured_at timestamptz, floor_at timestamptz, with_spread boolean, is_known boolean,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[],
  spreads double precision[]
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
begin
  return query
  select s.place::int, n.revision, n.captured_at, k.floor_at, coalesce(f.with_spread, false), w.is_known,
    c.buckets, c.opens, c.highs, c.lows, c.closes, c.sums, c.volumes, c.tick_counts, c.spreads
  from outbox.captured as n
  cross join unnest(instrument_ids, timeframes, sides, since_revisions, since_times)
    with ordinality as s(instrument_id, timeframe, side, since_revision, since_time, place)
  join feed.timeframes as t on t.timeframe = s.timeframe
  join feed.storage as k on k.level = s.timeframe
  cross join lateral (
    select max(f.since_revision) as since_revision, bool_or(f.with_spread) as with_spread
    from outbox.filters as f
    where f.side = s.side and (f.instrument_id is null or f.instrument_id = s.instrument_id)
      and (f.timeframe is null or f.timeframe = s.timeframe)
  ) as f
  cross join lateral (
    select coalesce(s.since_revision >= f.since_revision, false) and not exists (
      select from outbox.late_changes as l
      where l.instrument_id = s.instrument_id and l.timeframe = s.timeframe and l.side = s.side
        and l.revision > s.since_revision
    ) as is_known
  ) as w
  cross join lateral (
    select array_agg(o.bucket) as buckets, array_agg(o.open) as opens, array_agg(o.high) as highs, array_agg(o.low) as lows,
      array_agg(o.close) as closes, array_agg(o.sum) as sums, array_agg(o.volume) as volumes,
      array_agg(o.tick_count) as tick_counts, array_agg(o.spread) as spreads
    from (
      select o.*
      from outbox.candles as o
      where w.is_known and o.instrument_id = s.instrument_id and o.timeframe = s.timeframe and o.side = s.side
        and o.bucket >= s.since_time - outbox.long_over(t.width)
        and o.revision > s.since_revision and not o.is_of_backfill
      order by o.bucket
    ) as o
  ) as c;
end
$$;

comment on function indicator.candles_since(int[], text[], text[], bigint[], timestamptz[]) is
  'Captured candles of series (array i is series i, at position i) that changed since what was said of them before: captured_revision and captured_at (UTC) as this function gave them when they were read, both null for a series that was not. Arrays as indicator.candle_windows has them, oldest first, null when nothing changed. is_known is false where the series has to be read as a whole, with indicator.candle_windows after this. Candles before floor_at are given up and count as gone; with_spread says whether spreads are read of the series.';
grant execute on function indicator.candles_since(int[], text[], text[], bigint[], timestamptz[]) to foresight_indicators, foresight_service;
