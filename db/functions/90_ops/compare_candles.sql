-- The candles are computed once more from the ticks: the finest ones first, the coarser ones from those, each
-- by one aggregate over all of them. A bucket that a change mark touches is still on its way.
create or replace function ops.compare_candles(from_time timestamptz, to_time timestamptz)
returns table (timeframe text, compared bigint, instrument_ids int[], buckets timestamptz[])
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  level feed.timeframes;
  candle record;
  exact text;
  sums text;
begin
  select string_agg(format('e.%1$s_open, e.%1$s_high, e.%1$s_low, e.%1$s_close, e.%1$s_count, e.%1$s_sum is null', s.side), ', ')
      into exact from unnest(array['bid', 'ask', 'mid', 'last']) as s(side);
  select 'abs(e.volume - c.volume) > 1e-9 * e.volume or ' || string_agg(format(
        'abs(e.%1$s_sum - c.%1$s_sum) > feed.sum_tolerance(e.%1$s_sum, e.%1$s_high, e.%1$s_low, e.%1$s_count)', s.side), ' or ')
      into sums from unnest(array['bid', 'ask', 'mid', 'last']) as s(side);
  drop table if exists pg_temp.finest_candles;
  for level in select t.* from feed.timeframes as t order by t.width loop
    if to_regclass('pg_temp.finest_candles') is null then
      select * into candle from feed.candle_measures(null);
      execute format('create temp table finest_candles (like feed.%I)', 'candles_' || level.timeframe);
      execute format(
        'insert into pg_temp.finest_candles (instrument_id, bucket, %s)
         select s.instrument_id, feed.bucket(%L, s.observed_at), %s
         from (select t.*, (t.bid + t.ask) / 2 as mid from feed.ticks as t where t.observed_at >= %L and t.observed_at < %L) as s
         group by 1, 2',
        candle.columns, level.width, candle.measures, from_time, to_time);
      select * into candle from feed.candle_measures(level.timeframe);
    end if;
    timeframe := level.timeframe;
    execute format(
      $statement$
      with expected (instrument_id, bucket, %1$s) as (
        select s.instrument_id, feed.bucket(%2$L, s.bucket), %3$s from pg_temp.finest_candles as s group by 1, 2
      ),
      found as (
        select * from feed.%4$I as c where c.bucket >= %5$L and c.bucket < %6$L
      )
      select count(*), array_agg(x.instrument_id) filter (where x.is_different), array_agg(x.bucket) filter (where x.is_different)
      from (
        select instrument_id, bucket,
          (
            (e.tick_count, e.reconstructed_count, e.volume is null, %7$s) is distinct from
              (c.tick_count, c.reconstructed_count, c.volume is null, %8$s)
            or %9$s
          ) and not exists (
            select from outbox.changes as m
            where m.instrument_id = coalesce(e.instrument_id, c.instrument_id)
              and m.changed_to >= coalesce(e.bucket, c.bucket) and m.changed_from < coalesce(e.bucket, c.bucket) + %2$L::interval
          ) as is_different
        from expected as e full join found as c using (instrument_id, bucket)
      ) as x
      $statement$,
      candle.columns, level.width, candle.measures, 'candles_' || level.timeframe, from_time, to_time,
      exact, replace(exact, 'e.', 'c.'), sums)
    into compared, instrument_ids, buckets;
    return next;
  end loop;
  drop table pg_temp.finest_candles;
end
$$;

comment on function ops.compare_candles(timestamptz, timestamptz) is
  'Compare the stored candles of [from_time, to_time) (UTC, whole days) with the ticks: a row per timeframe with how many candles there are, and instruments and buckets (element i of both) of those that are missing, too many, or other than the ticks say: all four sides exactly, volumes to 1e-9, sums by feed.sum_tolerance. Null when none is.';
