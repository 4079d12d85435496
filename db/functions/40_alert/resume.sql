create or replace function alert.resume(rule_id int)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  rule alert.rules := alert.rule(resume.rule_id);
begin
  perform alert.lock_series(rule.instrument_id, rule.timeframe, rule.side);
  update alert.rules as r set is_paused = false where r.rule_id = resume.rule_id and r.is_paused;
  if found then
    perform alert.begin_watch(resume.rule_id);
  end if;
end
$$;

comment on function alert.resume(int) is
  'A paused rule goes on: what happened meanwhile is not told, what was not delivered is. Error NORUL.';
