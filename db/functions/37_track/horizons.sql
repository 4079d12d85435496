create or replace function track.horizons()
returns smallint[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select '{1,5,20}'::smallint[]
$$;

comment on function track.horizons() is 'How many candles after a verdict the price is looked at.';
