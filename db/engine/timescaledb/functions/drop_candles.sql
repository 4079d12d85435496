create or replace function feed.drop_candles(timeframe text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('drop materialized view feed.%I', 'candles_' || timeframe);
end
$$;

comment on function feed.drop_candles(text) is 'Drop the candles of one timeframe. TimescaleDB: the continuous aggregate.';
