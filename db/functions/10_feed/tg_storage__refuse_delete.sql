create or replace function feed.tg_storage__refuse_delete()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- With its timeframe, that one is gone by now.
  if tg_op = 'DELETE' and old.timeframe is not null
    and not exists (select from feed.timeframes as t where t.timeframe = old.timeframe)
  then
    return null;
  end if;
  raise exception 'a level is never removed from feed.storage'
    using errcode = 'STORE', hint = 'To keep it for ever: update feed.storage set retain_for = null where level = ...; a timeframe goes whole by feed.remove_timeframe(timeframe).';
end
$$;

comment on function feed.tg_storage__refuse_delete() is 'Refuse to remove a level but together with its timeframe. Error STORE.';

create or replace trigger _050_refuse_delete
  after delete on feed.storage
  for each row execute function feed.tg_storage__refuse_delete();
create or replace trigger _060_refuse_truncate
  before truncate on feed.storage
  for each statement execute function feed.tg_storage__refuse_delete();
