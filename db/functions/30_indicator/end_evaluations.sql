-- A function may catch the end of its time, and go on: nothing but the end of its session ends that. It runs in a
-- session of a process, so its role is looked for nowhere.
create or replace function indicator.end_evaluations(longer_than interval)
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(*) filter (where pg_terminate_backend(a.pid))::int
  from pg_stat_activity as a
  where a.datname = current_database() and a.pid <> pg_backend_pid() and a.state = 'active'
    and a.query like 'select * from indicator.evaluate(%'
    and a.query_start < clock_timestamp() - greatest(longer_than, interval '2 seconds')
    and pg_has_role(a.usesysid, 'usage')
$$;

comment on function indicator.end_evaluations(interval) is
  'End the sessions in which indicator.evaluate has run for longer than this, at least two seconds: what a function cannot keep from happening. Returns how many.';
grant execute on function indicator.end_evaluations(interval) to foresight_indicators;
