-- A day begins ten minutes late, as ops.reconcile_yesterday has it.
create or replace function ops.is_maintenance_due(at timestamptz default now())
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select not (m.begun_at between at - interval '1 minute' and at) and (
    m.is_unfinished
    or m.revisions <> ops.drawn_revisions()
    or m.begun_at < feed.bucket(interval '1 day', at - interval '10 minutes') + interval '10 minutes'
    or exists (select from feed.storage as s where s.dropped_to < s.floor_at)
    or exists (select from indicator.retention as r where r.dropped_to < r.floor_at)
    or track.due_indicator(at) is not null
    or exists (
      select from ops.processes as p
      where p.seen_at < at - interval '15 seconds' and p.worker_ids <> '{}'
    )
  )
  from ops.maintenance as m
$$;

comment on function ops.is_maintenance_due(timestamptz) is
  'Whether there is something to maintain (at a time, UTC), at most once a minute: ticks, candles, feed.storage or indicator.retention changed, values wait to be scored, a new day (UTC) began, a process died, or the last run did not reach its end.';
grant execute on function ops.is_maintenance_due(timestamptz) to foresight_upkeep;
