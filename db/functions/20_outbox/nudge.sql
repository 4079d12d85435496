-- Jobs are only wake-ups: what is left to do stands in the tables, and a heartbeat covers a nudge that got lost.
create or replace function outbox.nudge()
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  select outbox.nudge_publish();
  select outbox.nudge_upkeep() where outbox.is_refresh_due();
$$;

comment on function outbox.nudge() is
  'Ticks came in: ask the publisher for a pass now, and upkeep to store candles if some are late. Call it after a commit, at most a few times a second.';
grant execute on function outbox.nudge() to foresight_ingest, foresight_push;
