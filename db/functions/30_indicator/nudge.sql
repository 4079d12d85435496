create or replace function indicator.nudge(service text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job(
    'compute_values.' || service, job_key => 'compute_values.' || service, max_attempts => 1)
$$;

comment on function indicator.nudge(text) is
  'Ask a service that runs on graphile-worker for computation now. Call it after a commit; the heartbeat covers one that got lost.';
grant execute on function indicator.nudge(text) to foresight_indicators;
