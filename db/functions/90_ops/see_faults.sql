create or replace function ops.see_faults()
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not alert.are_faults_due() then
    return 0;
  end if;
  return alert.compare_faults(array(select f.fault from ops.all_faults() as f));
end
$$;

comment on function ops.see_faults() is
  'Let the rules on faults look at what ops.status tells, at most every five seconds. Returns how many events were noted.';
grant execute on function ops.see_faults() to foresight_publish;
