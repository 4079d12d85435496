create or replace function outbox.nudge_publish()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job('publish_deltas', job_key => 'publish_deltas', max_attempts => 1)
$$;

comment on function outbox.nudge_publish() is 'Ask the publisher for a pass now. Call it after a commit, at most a few times a second.';
grant execute on function outbox.nudge_publish() to foresight_publish, foresight_upkeep;
