create or replace view ops.status as
select i.engine, feed.engine_version() as engine_version, current_setting('server_version') as postgres_version,
  i.installed_at, pg_postmaster_start_time() as started_at, f.faults = '{}' as is_healthy, f.faults,
  array(select n.note from feed.notes as n order by n.note) as notes
from ops.installation as i
cross join lateral (
  select coalesce(array_agg(f.fault order by f.fault), '{}') as faults from ops.all_faults() as f
) as f;

comment on view ops.status is 'The engine, and whether everything works; faults says in words what does not, notes what passes by itself. Each schema tells its own, in a view faults.';
grant select on ops.status to foresight_publish, foresight_web;
