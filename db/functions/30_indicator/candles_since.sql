-- All in one statement, so that what it says of captures is true of the candles. What is not told here of a
-- series that was read before has not changed since: a capture changes candles that are not long over, which are looked at
-- from then on, or says in outbox.late_changes that it changed another one. One of a backfill is no change, and has no
-- spread. Captured candles are a plain table: a read of a continuous aggregate takes longer to plan than this to run. A
-- capture is older than the message about it: with_newest reads the newest candles with what came in since, which a later
-- capture brings again.
create or replace function indicator.candles_since(
  instrument_ids int[], timeframes text[], sides text[], since_revisions bigint[], since_times timestamptz[],
  with_newest boolean default false
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
declare
  -- The buckets of this time are the newest, though some ticks come a little later.
  newest_at timestamptz := clock_timestamp() - interval '10 seconds';
begin
  return query
  with asked as materialized (
    select s.place::int, s.instrument_id, s.timeframe, s.side, s.since_revision, s.since_time, t.width, k.floor_at,
      f.with_spread,
      coalesce(s.since_revision >= f.since_revision, false) and not exists (
        select from outbox.late_changes as l
        where l.instrument_id = s.instrument_id and l.timeframe = s.timeframe and l.side = s.side
          and l.revision > s.since_revision
      ) as is_known
    from unnest(instrument_ids, timeframes, sides, since_revisions, since_times)
      with ordinality as s(instrument_id, timeframe, side, since_revision, since_time, place)
    join feed.timeframes as t on t.timeframe = s.timeframe
    join feed.storage as k on k.level = s.timeframe
    cross join lateral (
      select max(f.since_revision) as since_revision, coalesce(bool_or(f.with_spread), false) as with_spread
      from outbox.filters as f
      where f.side = s.side and (f.instrument_id is null or f.instrument_id = s.instrument_id)
        and (f.timeframe is null or f.timeframe = s.timeframe)
    ) as f
  ),
  newest as materialized (
    select n.* from (
      select array_agg(distinct a.timeframe) as timeframes, array_agg(distinct a.instrument_id) as instrument_ids,
        array_agg(distinct a.side) as sides, bool_or(a.with_spread) as with_spread
      from asked as a where with_newest and a.is_known
    ) as a
    cross join lateral feed.newest_candles(a.timeframes, a.instrument_ids, a.sides, newest_at, a.with_spread) as n
    join feed.timeframes as t on t.timeframe = n.timeframe
    where n.bucket >= feed.bucket(t.width, newest_at)
  )
  select a.place, n.revision, n.captured_at, a.floor_at, a.with_spread, a.is_known,
    c.buckets, c.opens, c.highs, c.lows, c.closes, c.sums, c.volumes, c.tick_counts, c.spreads
  from outbox.captured as n
  cross join asked as a
  cross join lateral (
    select array_agg(o.bucket) as buckets, array_agg(o.open) as opens, array_agg(o.high) as highs, array_agg(o.low) as lows,
      array_agg(o.close) as closes, array_agg(o.sum) as sums, array_agg(o.volume) as volumes,
      array_agg(o.tick_count) as tick_counts, array_agg(o.spread) as spreads
    from (
      select distinct on (o.bucket) o.*
      from (
        select 1 as turn, o.bucket, o.open, o.high, o.low, o.close, o.sum, o.volume, o.tick_count,
          case when a.with_spread then o.spread end as spread
        from newest as o
        where a.is_known and o.instrument_id = a.instrument_id and o.timeframe = a.timeframe and o.side = a.side
        union all
        select 2, o.bucket, o.open, o.high, o.low, o.close, o.sum, o.volume, o.tick_count, o.spread
        from outbox.candles as o
        where a.is_known and o.instrument_id = a.instrument_id and o.timeframe = a.timeframe and o.side = a.side
          and o.bucket >= a.since_time - outbox.long_over(a.width)
          and o.revision > a.since_revision and not o.is_of_backfill
      ) as o
      order by o.bucket, o.turn
    ) as o
  ) as c;
end
$$;

comment on function indicator.candles_since(int[], text[], text[], bigint[], timestamptz[], boolean) is
  'Captured candles of series (array i is series i, at position i) that changed since what was said of them before: captured_revision and captured_at (UTC) as this function gave them when they were read, both null for a series that was not. Arrays as indicator.candle_windows has them, oldest first, null when nothing changed. is_known is false where the series has to be read as a whole, with indicator.candle_windows after this. Candles before floor_at are given up and count as gone; with_spread says whether spreads are read of the series. with_newest: of series that are known, the candles of this moment hold what came in since they were captured.';
grant execute on function indicator.candles_since(int[], text[], text[], bigint[], timestamptz[], boolean) to foresight_indicators, foresight_service;
