-- Below a level's watermark its candles show what was materialised, and below the invalidation
-- threshold of what it reads a refresh may be materialising at this moment, without a tick that was
-- committed after it began. So the largest of both, of all levels. Read from the catalogue, because
-- cagg_watermark() keeps its answer for the rest of the transaction; called inside the statement
-- that reads the marks, it sees the state of the same moment.
create or replace function feed.refresh_horizon()
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  horizon timestamptz;
begin
  select max(_timescaledb_functions.to_timestamp(greatest(w.watermark, i.watermark))) into horizon
  from _timescaledb_catalog.continuous_agg as c
  join _timescaledb_catalog.continuous_aggs_watermark as w using (mat_hypertable_id)
  left join _timescaledb_catalog.continuous_aggs_invalidation_threshold as i on i.hypertable_id = c.raw_hypertable_id
  where c.user_view_schema = 'feed' and c.user_view_name like 'candles\_%';
  return coalesce(horizon, '-infinity');
end
$$;

comment on function feed.refresh_horizon() is
  'Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles. TimescaleDB: as far as any timeframe is, or is being, materialised.';
grant execute on function feed.refresh_horizon() to foresight_publish, foresight_web;
