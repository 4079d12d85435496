create or replace function feed.define_roll_up()
returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  -- Nothing to define: TimescaleDB rolls candles up itself.
$$;

comment on function feed.define_roll_up() is 'Prepare what keeps the candles, after the timeframes changed. TimescaleDB: nothing.';
