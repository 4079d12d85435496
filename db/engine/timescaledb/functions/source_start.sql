create or replace function feed.source_start(timeframe text)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when c.range_start is not null then greatest(s.dropped_to, c.range_start) end
  from feed.timeframes as t
  join feed.storage as s on s.level = coalesce(t.built_from, 'ticks')
  cross join lateral (select min(c.range_start) as range_start from feed.chunks(to_regclass(s.relation)) as c) as c
  where t.timeframe = source_start.timeframe
$$;

comment on function feed.source_start(text) is
  'From when on (UTC) there is what the candles of a timeframe are made from, ticks or finer candles; null when there is none. Before it, candles stay as they are.';
