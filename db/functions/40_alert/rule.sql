create or replace function alert.rule(rule_id int)
returns alert.rules
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_rule alert.rules;
begin
  select r.* into found_rule from alert.rules as r where r.rule_id = rule.rule_id;
  if found_rule.rule_id is null then
    raise exception 'there is no alert rule %', coalesce(rule.rule_id::text, 'null')
      using errcode = 'NORUL', hint = 'All: select * from alert.rule_list;';
  end if;
  return found_rule;
end
$$;

comment on function alert.rule(int) is 'A rule by its id. Error NORUL there is none.';
