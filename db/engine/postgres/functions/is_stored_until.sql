create or replace function feed.is_stored_until(until_time timestamptz)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select true
$$;

comment on function feed.is_stored_until(timestamptz) is
  'Whether the candles of every timeframe are stored up to a time (UTC). Plain PostgreSQL: always, they are stored with the ticks.';
