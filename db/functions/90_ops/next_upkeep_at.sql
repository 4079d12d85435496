create or replace function ops.next_upkeep_at()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select least(case when outbox.is_refresh_due() then statement_timestamp() end, feed.next_storing_at())
$$;

comment on function ops.next_upkeep_at() is
  'When upkeep next has candles to refresh or to store (UTC): now or earlier if late ticks or candles wait, else when the next candle is old enough to be stored. Null: never, until something changes.';
grant execute on function ops.next_upkeep_at() to foresight_upkeep;
