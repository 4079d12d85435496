-- Candles are stored as they are now, and looked up by their key.
create or replace function feed.newest_candles(
  timeframes text[], instrument_ids int[], sides text[], from_time timestamptz, with_spread boolean default false
)
returns table (
  timeframe text, instrument_id int, side text, bucket timestamptz, open double precision, high double precision,
  low double precision, close double precision, sum double precision, volume double precision, tick_count bigint,
  spread double precision
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set jit = off
set max_parallel_workers_per_gather = 0
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  side_rows text := feed.side_rows(sides, with_spread);
  statement text;
begin
  select string_agg(format(
      $statement$
select %L, c.instrument_id, s.side, c.bucket, s.open, s.high, s.low, s.close, s.sum, c.volume, s.tick_count, s.spread
from feed.%I as c
cross join lateral %s
where c.instrument_id = any ($1) and c.bucket >= feed.bucket(%L, $2) and s.tick_count > 0$statement$,
      t.timeframe, 'candles_' || t.timeframe, side_rows, t.width), E'\nunion all' order by t.width)
  into statement
  from feed.timeframes as t where t.timeframe = any (timeframes);
  if statement is null or side_rows is null then
    return;
  end if;
  return query execute format('execute %I (%L, %L)',
    feed.prepared('newest_candles', 'int[], timestamptz', statement), instrument_ids, from_time);
end
$$;

comment on function feed.newest_candles(text[], int[], text[], timestamptz, boolean) is
  'Candles of several timeframes of instruments and sides, as feed.read_candles has them: all of each timeframe from the one on that holds from_time (UTC), and some before; in no order. Meant for the last minutes, as the finest are read from there on. Error NOSID; a timeframe that there is not has no candles.';
