-- After the statement, so that one UPDATE can change several levels.
create or replace function feed.tg_storage__check()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  wrong record;
begin
  select n.level, o.floor_at as before, n.floor_at as after into wrong
  from old_rows as o join new_rows as n using (level)
  where n.floor_at < o.floor_at or n.dropped_to < o.dropped_to
  limit 1;
  if wrong.level is not null then
    raise exception 'the floor of % cannot go back: what is older may be gone', wrong.level using errcode = 'STORE';
  end if;
  select n.level, n.floor_at as after into wrong from new_rows as n where n.floor_at > now() limit 1;
  if wrong.level is not null then
    raise exception 'the floor of % cannot be %, which is yet to come: nothing could be stored', wrong.level, wrong.after using errcode = 'STORE';
  end if;
  select s.level, s.retain_for, f.level as source, f.retain_for as source_for into wrong
  from feed.storage as s
  join feed.timeframes as t using (timeframe)
  join feed.storage as f on f.level = coalesce(t.built_from, 'ticks')
  where s.retain_for is not null and (f.retain_for is null or f.retain_for > s.retain_for)
  limit 1;
  if wrong.level is not null then
    raise exception 'the candles of % would be kept for %, but the % they are made from for %',
      wrong.level, wrong.retain_for,
      case when wrong.source = 'ticks' then 'ticks' else 'candles of ' || wrong.source end,
      coalesce(wrong.source_for::text, 'ever')
      using errcode = 'STORE', hint = 'Keep what is finer no longer than what is coarser; one UPDATE can set both.';
  end if;
  return null;
end
$$;

comment on function feed.tg_storage__check() is
  'Refuse storage settings that cannot work. Error STORE: a floor that goes back or lies ahead, or candles that would go before what they are made from.';

create or replace trigger _100_check
  after update on feed.storage
  referencing old table as old_rows new table as new_rows
  for each statement execute function feed.tg_storage__check();
