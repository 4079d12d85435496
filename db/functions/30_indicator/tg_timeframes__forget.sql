create or replace function indicator.tg_timeframes__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  select string_agg(u.name, ', ' order by u.name) into users
  from (
    select 'the indicator ' || d.indicator_id from indicator.definitions as d where d.timeframe = old.timeframe
    union all
    select 'the wish ' || w.wish_id from indicator.wishes as w where w.timeframe = old.timeframe
  ) as u(name);
  if users is not null then
    raise exception 'the candles of % are needed by %', old.timeframe, left(users, 500)
      using errcode = 'TFUSE', hint = 'End those first: indicator.remove(id), and delete from indicator.wishes.';
  end if;
  delete from indicator.pending as p where p.timeframe = old.timeframe;
  return old;
end
$$;

comment on function indicator.tg_timeframes__forget() is
  'Before a timeframe is removed: forget the work that its candles made. Error TFUSE: an indicator, or a wish for some (indicator.wish_list), needs it.';

create or replace trigger _110_forget_work
  before delete on feed.timeframes
  for each row execute function indicator.tg_timeframes__forget();
