create or replace procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false)
language plpgsql
as $$
declare
  level record;
  instrument record;
  -- Candles whose ticks were dropped stay as they are.
  start_at timestamptz := greatest(from_time, (select s.dropped_to from feed.storage as s where s.level = 'ticks'));
begin
  -- A candle that has no tick at all is found by nobody who begins at the ticks.
  for level in select t.timeframe, t.width from feed.timeframes as t order by t.width loop
    execute format(
      'delete from feed.%1$I as c
       where c.bucket >= date_bin(%2$L::interval, %3$L::timestamptz, ''2000-01-03Z'') and c.bucket <= %4$L
         and not exists (
           select from feed.ticks as t
           where t.instrument_id = c.instrument_id and t.observed_at >= c.bucket and t.observed_at < c.bucket + %2$L::interval)',
      'candles_' || level.timeframe, level.width, start_at, to_time);
  end loop;
  commit;
  for instrument in select i.instrument_id from feed.instruments as i order by 1 loop
    perform feed.roll_up(array_agg(t.instrument_id), array_agg(t.second))
    from (
      select distinct t.instrument_id, pg_catalog.date_trunc('second', t.observed_at) as second
      from feed.ticks as t
      where t.instrument_id = instrument.instrument_id
        and t.observed_at >= start_at and t.observed_at <= to_time
    ) as t
    having count(*) > 0;
    commit;
  end loop;
end
$$;

comment on procedure feed.refresh_candles(timestamptz, timestamptz, boolean) is
  'Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. Plain PostgreSQL always recomputes; a repair.';
