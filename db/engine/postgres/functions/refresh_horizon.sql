create or replace function feed.refresh_horizon()
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select '-infinity'::timestamptz
$$;

comment on function feed.refresh_horizon() is
  'Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles. Plain PostgreSQL: never, its candles change with the ticks.';
grant execute on function feed.refresh_horizon() to foresight_publish, foresight_web;
