create or replace function alert.pause(rule_id int)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform alert.rule(pause.rule_id);
  update alert.rules as r set is_paused = true where r.rule_id = pause.rule_id;
end
$$;

comment on function alert.pause(int) is
  'A rule sees nothing and delivers nothing until alert.resume. Error NORUL.';
