create or replace function feed.tg_timeframes__add_storage()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into feed.storage (level, timeframe, relation, time_column)
  values (new.timeframe, new.timeframe, format('feed.%I', 'candles_' || new.timeframe), 'bucket');
  return null;
end
$$;

comment on function feed.tg_timeframes__add_storage() is 'Keep the candles of a new timeframe for ever, until an operator says otherwise.';

create or replace trigger _100_add_storage
  after insert on feed.timeframes
  for each row execute function feed.tg_timeframes__add_storage();
