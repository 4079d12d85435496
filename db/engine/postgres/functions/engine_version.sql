create or replace function feed.engine_version()
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select 'PostgreSQL ' || current_setting('server_version')
$$;

comment on function feed.engine_version() is 'Name and version of the engine that keeps ticks and candles.';
-- For those who read ops.status.
grant execute on function feed.engine_version() to foresight_publish, foresight_web;
