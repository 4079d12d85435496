create or replace function indicator.nudge()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job('compute_values', job_key => 'compute_values', max_attempts => 1)
$$;

comment on function indicator.nudge() is 'Ask for computation now. Call it after a commit; the heartbeat covers one that got lost.';
grant execute on function indicator.nudge() to foresight_indicators;
