create or replace function indicator.tg_timeframes__keep_values()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.width < interval '1 minute' then
    insert into indicator.retention (timeframe, retain_for) values (new.timeframe, interval '7 days');
  end if;
  return null;
end
$$;

comment on function indicator.tg_timeframes__keep_values() is
  'Keep the values of a new timeframe below one minute for a week, until an operator says otherwise.';

create or replace trigger _120_keep_values
  after insert on feed.timeframes
  for each row execute function indicator.tg_timeframes__keep_values();
