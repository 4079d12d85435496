-- A job is only a wake-up: what is left to do stands in the tables, and the publisher's heartbeat covers a
-- nudge that got lost.
create or replace function outbox.nudge()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select graphile_worker.add_job('publish_deltas', job_key => 'publish_deltas', max_attempts => 1)
$$;

comment on function outbox.nudge() is 'Ask the publisher for a pass now. Call it after a commit, at most a few times a second.';
grant execute on function outbox.nudge() to foresight_ingest, foresight_publish;
