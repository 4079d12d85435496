create or replace function feed.source_start(timeframe text)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when k.start_at is not null then greatest(s.dropped_to, k.start_at) end
  from feed.timeframes as t
  join feed.storage as s on s.level = coalesce(t.built_from, 'ticks')
  cross join lateral (
    select feed.bucket('1 day', min(k.first_observed_at)) as start_at from feed.newest_ticks as k
  ) as k
  where t.timeframe = source_start.timeframe
$$;

comment on function feed.source_start(text) is
  'From when on (UTC) there is what the candles of a timeframe are made from, ticks or finer candles, in whole days; null when there is none. Before it, candles stay as they are.';
