create or replace function alert.remove(rule_id int)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from alert.rules as r where r.rule_id = remove.rule_id;
  return found;
end
$$;

comment on function alert.remove(int) is
  'Remove a rule with its events and what is not delivered. Returns whether there was one.';
