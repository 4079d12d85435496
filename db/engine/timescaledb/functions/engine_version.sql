create or replace function feed.engine_version()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'TimescaleDB ' || extversion from pg_extension where extname = 'timescaledb'
$$;

comment on function feed.engine_version() is 'Name and version of the engine that keeps ticks and candles.';
