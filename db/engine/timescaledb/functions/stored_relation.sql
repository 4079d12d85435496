create or replace function feed.stored_relation(timeframe text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'feed.' || quote_ident('stored_candles_' || timeframe)
$$;

comment on function feed.stored_relation(text) is
  'The name of the relation that the candles of a timeframe are stored in. TimescaleDB: the continuous aggregate below the view.';
