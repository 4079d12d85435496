create or replace function indicator.purge(keep interval default interval '30 days')
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  purged int;
begin
  delete from indicator.dead_letters as d where d.failed_at < now() - keep;
  get diagnostics purged = row_count;
  return purged;
end
$$;

comment on function indicator.purge(interval) is
  'Forget dead letters of services that did not come again for longer than keep; returns how many. How many there can be at most is for indicator.set_aside.';
grant execute on function indicator.purge(interval) to foresight_upkeep;
