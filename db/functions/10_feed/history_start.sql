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
  cross join lateral (
    select coalesce(
      (select i.first_observed_at from feed.instruments as i where i.instrument_id = history_start.instrument_id),
      (select k.observed_at from feed.ticks as k
       where k.instrument_id = history_start.instrument_id order by k.observed_at limit 1)
    ) as observed_at
  ) as first
  where t.timeframe = history_start.timeframe and first.observed_at is not null
$$;

comment on function feed.history_start(int, text) is
  'The first bucket (UTC) of an instrument that there is or may be: that of its first tick ever, or what was kept of the timeframe. Null when it never had a tick.';
