-- The live read. A continuous aggregate of each timeframe aggregates the newest ticks anew, and the coarser it is the more
-- of them does its plan go through: so the ticks are read once, for the finest, and the others are rolled up from that as
-- theirs are. What of them lies before is read with constants as bounds, as always. The statement is the same for a
-- minute, and so is prepared: its plan is made again when TimescaleDB has stored newer candles, not with each read.
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
set plan_cache_mode = force_generic_plan
as $$
declare
  side_rows text := feed.side_rows(sides, with_spread);
  prices text;
  measures text;
  level record;
  -- From where on the finest are read, and rolled up.
  start_at timestamptz;
  from_bucket timestamptz;
  to_bucket timestamptz;
  levels text := '';
  outputs text := '';
begin
  select string_agg(replace(', c.SIDE_open, c.SIDE_high, c.SIDE_low, c.SIDE_close, c.SIDE_sum, c.SIDE_count', 'SIDE', s.side), ''),
    string_agg(replace(
      $measure$,
      public.first(c.SIDE_open, c.bucket) filter (where c.SIDE_count > 0) as SIDE_open,
      max(c.SIDE_high) as SIDE_high,
      min(c.SIDE_low) as SIDE_low,
      public.last(c.SIDE_close, c.bucket) filter (where c.SIDE_count > 0) as SIDE_close,
      sum(c.SIDE_sum) as SIDE_sum,
      sum(c.SIDE_count)::bigint as SIDE_count$measure$, 'SIDE', s.side), '')
  into prices, measures
  from (
    select unnest(sides)
    union
    select unnest(array['ask', 'bid']) where with_spread and 'mid' = any (sides)
    order by 1
  ) as s(side);

  for level in
    with recursive needed as (
      select t.timeframe, t.width, t.built_from from feed.timeframes as t where t.timeframe = any (timeframes)
      union
      select t.timeframe, t.width, t.built_from from feed.timeframes as t join needed as n on t.timeframe = n.built_from
    )
    select n.*, n.timeframe = any (timeframes) as is_wanted from needed as n order by n.width
  loop
    if level.built_from is null then
      -- From where on the narrowest of those that are rolled up from it is whole.
      select feed.bucket(coalesce(min(t.width), level.width), from_time) into start_at
      from feed.timeframes as t where t.built_from = level.timeframe;
      levels := format(
        $level$
  %1$I as materialized (
    select c.instrument_id, c.bucket, c.volume%4$s
    from feed.%2$I as c
    where c.instrument_id = any ($1) and c.bucket >= %3$L
  )$level$, 'newest_' || level.timeframe, 'candles_' || level.timeframe, start_at, prices);
    else
      from_bucket := feed.bucket(level.width, start_at);
      select feed.bucket(t.width, start_at) into to_bucket from feed.timeframes as t where t.timeframe = level.built_from;
      levels := levels || format(
        $level$,
  %1$I as (
    select c.instrument_id, public.time_bucket(%2$L::interval, c.bucket) as bucket, sum(c.volume) as volume%3$s
    from (
      select c.* from %4$I as c where c.bucket >= %5$L%6$s
    ) as c
    group by 1, 2
  )$level$,
        'newest_' || level.timeframe, level.width, measures, 'newest_' || level.built_from, to_bucket,
        case when from_bucket < to_bucket then format(
          $earlier$
      union all
      select c.instrument_id, c.bucket, c.volume%s
      from feed.%I as c
      where c.instrument_id = any ($1) and c.bucket >= %L and c.bucket < %L$earlier$,
          prices, 'candles_' || level.built_from, from_bucket, to_bucket) end);
    end if;
    if level.is_wanted then
      outputs := outputs || format(
        $output$%s
select %L, c.instrument_id, s.side, c.bucket, s.open, s.high, s.low, s.close, s.sum, c.volume, s.tick_count, s.spread
from %I as c
cross join lateral %s
where s.tick_count > 0$output$,
        case when outputs = '' then '' else E'\nunion all' end, level.timeframe, 'newest_' || level.timeframe, side_rows);
    end if;
  end loop;
  if outputs = '' or side_rows is null then
    return;
  end if;
  return query execute format('execute %I (%L)', feed.prepared('newest_candles', 'int[]', 'with ' || levels || outputs), instrument_ids);
end
$$;

comment on function feed.newest_candles(text[], int[], text[], timestamptz, boolean) is
  'Candles of several timeframes of instruments and sides, as feed.read_candles has them: all of each timeframe from the one on that holds from_time (UTC), and some before; in no order. Meant for the last minutes, as the finest are read from there on. Error NOSID; a timeframe that there is not has no candles.';
