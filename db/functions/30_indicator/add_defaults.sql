create or replace function indicator.add_defaults(symbol text)
returns int
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(indicator.add(add_defaults.symbol, d.timeframe, d.kind, d.params, d.side))::int
  from indicator.defaults as d
$$;

comment on function indicator.add_defaults(text) is 'Give an instrument the indicators of indicator.defaults; returns how many it has of them.';
