-- The largest watermark of all timeframes: below it a level shows what was materialised, so a tick
-- that comes in below is in no candle until its range is refreshed.
create or replace function feed.refresh_horizon()
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  horizon timestamptz;
begin
  select max(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(c.mat_hypertable_id)))
  into horizon
  from _timescaledb_catalog.continuous_agg as c
  where c.user_view_schema = 'feed' and c.user_view_name like 'candles\_%';
  return coalesce(horizon, '-infinity');
end
$$;

comment on function feed.refresh_horizon() is
  'Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles. TimescaleDB: the largest refresh watermark.';
