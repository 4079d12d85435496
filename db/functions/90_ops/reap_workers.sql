-- graphile-worker itself frees a dead worker's jobs after four hours. Ours only wake somebody up, so
-- this keeps its tables clean rather than the data right.
create or replace function ops.reap_workers(silence interval default interval '15 seconds')
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  dead text[];
begin
  select array_agg(distinct j.locked_by) into dead
  from graphile_worker.jobs as j
  where j.locked_by is not null and j.locked_at < now() - silence
    and not exists (
      select from ops.processes as p
      where j.locked_by = any (p.worker_ids) and p.seen_at > now() - silence
    );
  if dead is not null then
    perform graphile_worker.force_unlock_workers(dead);
  end if;
  -- Who holds nothing any more is done with; one that was only frozen says its ids again.
  update ops.processes as p set worker_ids = '{}'
  where p.seen_at < now() - silence and p.worker_ids <> '{}'
    and not exists (select from graphile_worker.jobs as j where j.locked_by = any (p.worker_ids));
  delete from ops.processes as p where p.seen_at < now() - interval '1 day';
  return coalesce(cardinality(dead), 0);
end
$$;

comment on function ops.reap_workers(interval) is
  'Free the jobs of workers that have been silent; returns how many workers were dead.';
grant execute on function ops.reap_workers(interval) to foresight_upkeep;
