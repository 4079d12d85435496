create or replace function alert.compare_faults(faults text[])
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  rule alert.rules;
  told text[];
  newest alert.events;
  made int := 0;
begin
  if not pg_try_advisory_xact_lock(hashtext('alert.detect')) then
    return 0;
  end if;
  for rule in
    select r.* from alert.rules as r where r.kind = 'fault' and not r.is_paused order by r.rule_id for update
  loop
    update alert.rules as r set seen_at = clock_timestamp() where r.rule_id = rule.rule_id;
    told := array(
      select f.fault from unnest(compare_faults.faults) as f(fault)
      where rule.fault is null or strpos(lower(f.fault), lower(rule.fault)) > 0
      order by f.fault);
    select e.* into newest
    from alert.events as e
    where e.rule_id = rule.rule_id and e.event in ('fired', 'over')
    order by e.bucket desc, e.event = 'over' desc
    limit 1;
    if cardinality(told) > 0 and newest.event is distinct from 'fired' then
      perform alert.note_event(rule, 'fired', clock_timestamp(), 1, 'well', 'faulty', jsonb_build_object('faults', told), null,
        is_known => rule.seen_at = '-infinity');
      made := made + 1;
    elsif cardinality(told) = 0 and newest.event = 'fired' then
      perform alert.note_event(rule, 'over', newest.bucket, newest.occurrence, 'faulty', 'well', '{"faults": []}', newest);
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;

comment on function alert.compare_faults(text[]) is
  'Look with the rules on faults at what is wrong now: note when it begins, and when it is over. Returns how many events were noted.';
