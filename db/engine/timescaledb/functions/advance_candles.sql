-- Materialise what has become quiet, so that reads do not aggregate it again and again. Starts where
-- the last run ended, or where the source begins: no range is ever jumped over, so nothing below a
-- watermark is unmaterialised. The lag keeps ticks that are on their way, and commits that are in
-- flight, above the watermark; what comes later than that is refreshed into its candles. It is short because
-- every read aggregates all ticks above it.
create or replace procedure feed.advance_candles(lag interval default interval '1 second')
language plpgsql
as $$
declare
  level record;
  -- One for all, though each has a transaction of its own: nothing may be stored up to later than what it is made of.
  until_time constant timestamptz := now() - lag;
  oldest timestamptz;
  start_at timestamptz;
  end_at timestamptz;
begin
  -- As in feed.refresh_ranges.
  perform set_config('jit', 'off', false);
  -- There is nothing yet where it stores: it looks, and inserts. Else it would delete first, which is planned over every
  -- chunk that there is of these candles.
  perform set_config('timescaledb.enable_merge_on_cagg_refresh', 'on', false);
  for level in
    select t.timeframe, t.width, w.stored_until
    from feed.timeframes as t join feed.watermarks() as w using (timeframe)
    order by t.width
  loop
    end_at := feed.bucket(level.width, until_time);
    -- Most levels have nothing to store: first what costs nothing to know.
    continue when end_at <= level.stored_until;
    oldest := feed.source_start(level.timeframe);
    continue when oldest is null;
    start_at := feed.bucket(level.width, greatest(level.stored_until, oldest));
    if end_at > start_at then
      call public.refresh_continuous_aggregate(
        feed.stored_relation(level.timeframe)::regclass, start_at, end_at,
        options => feed.refresh_options(level.width)
      );
    end if;
    commit;
  end loop;
end
$$;

comment on procedure feed.advance_candles(interval) is
  'Store the candles that ended before now minus lag, in every timeframe. Called every few seconds while ticks come; reads are right without it, only slower.';
