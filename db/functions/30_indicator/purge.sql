create or replace function indicator.purge(keep interval default interval '30 days')
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  letters int;
  missed int;
begin
  delete from indicator.dead_letters as d where d.failed_at < now() - keep;
  get diagnostics letters = row_count;
  delete from indicator.missed as m where m.found_at < now() - keep;
  get diagnostics missed = row_count;
  return letters + missed;
end
$$;

comment on function indicator.purge(interval) is
  'Forget dead letters of services that did not come again, and candles that were found to be missed, for longer than keep; returns how many. How many letters there can be at most is for indicator.set_aside.';
grant execute on function indicator.purge(interval) to foresight_upkeep;
