create or replace function feed.history_start(instrument_id int, timeframe text)
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select greatest(s.floor_at, feed.bucket(t.width, first.observed_at))
  from feed.timeframes as t
  join feed.storage as s on s.level = t.timeframe
  cross join lateral (select feed.first_observed_at(history_start.instrument_id) as observed_at) as first
  where t.timeframe = history_start.timeframe and first.observed_at is not null
$$;

comment on function feed.history_start(int, text) is
  'The first bucket (UTC) of an instrument that there is or may be: that of its first tick ever, or what was kept of the timeframe. Null when it never had a tick.';
