create or replace function alert.nudge()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job('tell_alerts', job_key => 'tell_alerts', max_attempts => 1)
$$;

comment on function alert.nudge() is 'Ask for a look with the rules, and for deliveries, now.';
grant execute on function alert.nudge() to foresight_publish;
