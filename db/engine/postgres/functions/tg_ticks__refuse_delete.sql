create or replace function feed.tg_ticks__refuse_delete()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from gone_ticks) or exists (
    select from gone_ticks as g
    where g.observed_at >= (select s.dropped_to from feed.storage as s where s.level = 'ticks')
      and not exists (select from feed.removals as r where r.instrument_id = g.instrument_id)
  ) then
    raise exception 'ticks are facts: they are never deleted' using errcode = 'FACTS',
      hint = 'Old ones go by feed.storage: update feed.storage set retain_for = ... where level = ''ticks''.';
  end if;
  return null;
end
$$;

comment on function feed.tg_ticks__refuse_delete() is
  'Refuse DELETE of ticks, save those that feed.storage has given up, and those of an instrument that is removed. Error FACTS.';

create or replace trigger _060_refuse_delete
  after delete on feed.ticks
  referencing old table as gone_ticks
  for each statement execute function feed.tg_ticks__refuse_delete();
