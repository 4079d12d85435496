create or replace function feed.drop_candles(timeframe text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Writers of ticks keep these candles: none may be at work, or begin before feed.roll_up is written anew.
  lock table feed.ticks in share row exclusive mode;
  execute format('drop table feed.%I', 'candles_' || timeframe);
end
$$;

comment on function feed.drop_candles(text) is 'Drop the candles of one timeframe. Plain PostgreSQL: the table.';
