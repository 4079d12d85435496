-- Make the candles of a time range true, from the finest timeframe up: a coarser level reads the
-- finer one, so the order is what makes it right. Each level's window is widened to whole buckets.
-- Runs in its own transactions, so it must be a statement of its own. A refresh of an overlapping
-- range that runs now makes it fail with 55P03: try again later, nothing is lost.
create or replace procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false)
language plpgsql
as $$
declare
  level record;
begin
  for level in
    select t.timeframe, t.width,
      -- A batch is about a day of buckets, at least ten: the default of ten is ruinous for seconds.
      greatest(10, 86400 / extract(epoch from t.width)::int) as buckets_per_batch
    from feed.timeframes as t order by t.width
  loop
    call public.refresh_continuous_aggregate(
      format('feed.%I', 'candles_' || level.timeframe)::regclass,
      pg_catalog.date_bin(level.width, from_time, '2000-01-03Z'),
      pg_catalog.date_bin(level.width, to_time, '2000-01-03Z') + level.width,
      force => force,
      options => jsonb_build_object('buckets_per_batch', level.buckets_per_batch)
    );
    commit;
  end loop;
end
$$;

comment on procedure feed.refresh_candles(timestamptz, timestamptz, boolean) is
  'Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date.';
