create or replace function outbox.nudge_upkeep()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job('store_candles', job_key => 'store_candles', max_attempts => 1)
$$;

comment on function outbox.nudge_upkeep() is
  'Ask upkeep to refresh late ticks into their candles and to store candles now. Call it after a commit, at most a few times a second.';
grant execute on function outbox.nudge_upkeep() to foresight_upkeep;
