-- What had changed before the run may still have been on its way, or too young to be stored, while it was
-- done: so the last run is one that had found nothing new.
create or replace function ops.end_maintenance(revisions bigint)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update ops.maintenance as m
  set is_unfinished = m.revisions <> end_maintenance.revisions, revisions = end_maintenance.revisions
$$;

comment on function ops.end_maintenance(bigint) is
  'All steps of a run have worked; revisions is what ops.begin_maintenance returned.';
grant execute on function ops.end_maintenance(bigint) to foresight_upkeep;
