create or replace function ops.recompute(indicator_id int, from_time timestamptz default '-infinity')
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select indicator.recompute(indicator_id, from_time)
$$;

comment on function ops.recompute(int, timestamptz) is
  'Compute the values of an indicator again from the stored candles, from the bucket that holds from_time (UTC) on. Gives the same values; a repair. Error NOIND.';
