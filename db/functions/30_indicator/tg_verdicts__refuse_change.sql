-- Rows go with their indicator, whose removal deletes them from within a trigger, and when they are given up.
create or replace function indicator.tg_verdicts__refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and (
    pg_trigger_depth() > 1 or old.bucket < (select s.floor_at from feed.storage as s where s.level = 'verdicts')
  ) then
    return old;
  end if;
  raise exception 'what was said is never changed or deleted (% refused)', lower(tg_op)
    using errcode = 'FACTS', hint = 'Old ones go by feed.storage: update feed.storage set retain_for = ... where level = ''verdicts''.';
end
$$;

comment on function indicator.tg_verdicts__refuse_change() is
  'Refuse UPDATE, DELETE and TRUNCATE of what was said, save what feed.storage has given up. Error FACTS.';

create or replace trigger _050_refuse_change
  before update or delete on indicator.verdicts
  for each row execute function indicator.tg_verdicts__refuse_change();

create or replace trigger _060_refuse_truncate
  before truncate on indicator.verdicts
  for each statement execute function indicator.tg_verdicts__refuse_change();
