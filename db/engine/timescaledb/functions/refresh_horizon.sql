-- Below a level's watermark its candles show what was materialised, and below the invalidation
-- threshold of what it reads a refresh may be materialising at this moment, without a tick that was
-- committed after it began. So the largest of both, of all levels.
create or replace function feed.refresh_horizon()
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce((select max(w.storing_until) from feed.watermarks() as w), '-infinity');
end
$$;

comment on function feed.refresh_horizon() is
  'Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles. TimescaleDB: as far as any timeframe is, or is being, materialised.';
grant execute on function feed.refresh_horizon() to foresight_publish, foresight_web;
