create or replace function feed.purge(keep_ticks interval default interval '7 days', keep_counts interval default interval '1 year')
returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Nothing that is kept tells of a time before this.
  oldest timestamptz := (
    select min(s.dropped_to) from feed.storage as s where s.level = 'ticks' or s.timeframe is not null);
  purged bigint := 0;
  step bigint;
begin
  delete from feed.rejected_ticks as r where r.rejected_at < now() - keep_ticks;
  get diagnostics step = row_count;
  purged := purged + step;
  delete from feed.rejections as r where r.hour < now() - keep_counts;
  get diagnostics step = row_count;
  purged := purged + step;
  delete from feed.gaps as g where g.gap_to < oldest and g.closed_at is not null;
  get diagnostics step = row_count;
  purged := purged + step;
  delete from feed.coverage as c where c.covered_to < oldest;
  get diagnostics step = row_count;
  return purged + step;
end
$$;

comment on function feed.purge(interval, interval) is
  'Forget rejected ticks older than keep_ticks, their counts by hour older than keep_counts, and the closed gaps and the coverage of times of which neither ticks nor candles are kept (feed.storage). Returns how many rows.';
grant execute on function feed.purge(interval, interval) to foresight_upkeep;
