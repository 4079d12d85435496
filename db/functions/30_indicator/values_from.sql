create or replace function indicator.values_from(timeframe text)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select greatest(
    (select s.floor_at from feed.storage as s where s.level = 'values'),
    (select r.floor_at from indicator.retention as r where r.timeframe = values_from.timeframe))
$$;

comment on function indicator.values_from(text) is
  'From when on (UTC) values of a timeframe are kept: older ones were given up, as feed.storage or indicator.retention says; -infinity: all are.';
