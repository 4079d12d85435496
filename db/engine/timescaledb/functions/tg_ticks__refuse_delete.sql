create or replace function feed.tg_ticks__refuse_delete()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'ticks are facts: they are never deleted' using errcode = 'FACTS',
    hint = 'Old ones go by feed.storage: update feed.storage set retain_for = ... where level = ''ticks''.';
end
$$;

comment on function feed.tg_ticks__refuse_delete() is
  'Refuse DELETE of ticks. Error FACTS. TimescaleDB: what feed.storage gives up goes as whole chunks, and an instrument that is removed leaves each chunk by itself.';

create or replace trigger _060_refuse_delete
  before delete on feed.ticks
  for each statement execute function feed.tg_ticks__refuse_delete();
