-- A level is behind from the end of the bucket of its first tick that is not stored on. The lag is 0.3 seconds
-- longer than that of feed.advance_candles, so that candles are not stored in the moment in which they are closed.
-- Watermarks are constants to the planner, as in feed.recent_ticks.
create or replace function feed.next_storing_at(lag interval default interval '1.3 seconds')
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  level record;
  first_at timestamptz;
  next_at timestamptz;
begin
  for level in
    select t.width, w.stored_until from feed.timeframes as t join feed.watermarks() as w using (timeframe) order by t.width
  loop
    select t.observed_at into first_at
    from feed.ticks as t where t.observed_at >= level.stored_until order by t.observed_at limit 1;
    next_at := least(next_at, feed.bucket(level.width, first_at) + level.width + lag);
    exit when next_at <= statement_timestamp();
  end loop;
  return next_at;
end
$$;

comment on function feed.next_storing_at(interval) is
  'When feed.advance_candles next has a candle to store (UTC), in the past when it has one now, null when all ticks are in stored candles. TimescaleDB: lag after the first bucket with ticks above a watermark ends.';
