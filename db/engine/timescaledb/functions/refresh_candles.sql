-- Make the candles of a time range true, from the finest timeframe up: a coarser level reads the
-- finer one, so the order is what makes it right. Each level's window is widened to whole buckets.
-- It never begins before what it reads: candles whose ticks were dropped would be taken away.
-- Runs in its own transactions, so it must be a statement of its own. A refresh of an overlapping
-- range that runs now makes it fail with 55P03: try again later, nothing is lost.
--
-- A window ends where the level is, or is being, materialised: what lies above is computed when it
-- is read. Past that point it would raise the watermark, of a day to the end of the day, and every
-- tick until then would be a late one. Up to there nothing is jumped over, as below a watermark what
-- was not materialised is missing.
create or replace procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false)
language plpgsql
as $$
declare
  level record;
  done text[] := '{}';
  -- Candles whose ticks were dropped are final: added up again, their sums would differ in their last bits.
  final_until timestamptz := (select s.dropped_to from feed.storage as s where s.level = 'ticks');
  oldest timestamptz;
  watermark timestamptz;
  threshold timestamptz;
  below_at timestamptz;
  start_at timestamptz;
  end_at timestamptz;
begin
  -- For the rest of the session, as a procedure that commits cannot have it as its own: compiling each
  -- batch took minutes for what runs in seconds.
  perform set_config('jit', 'off', false);
  -- The finest that was not done yet, asked anew each time: a timeframe that is added meanwhile may have been
  -- stored from finer candles before their refresh, and nobody else would refresh it.
  loop
    select t.timeframe, t.width,
      -- A batch is about a day of buckets, at least ten: the default of ten is ruinous for seconds.
      greatest(10, 86400 / extract(epoch from t.width)::int) as buckets_per_batch
    into level
    from feed.timeframes as t where t.timeframe <> all (done) order by t.width limit 1;
    exit when not found;
    done := done || level.timeframe;
    oldest := feed.source_start(level.timeframe);
    continue when oldest is null;
    select _timescaledb_functions.to_timestamp(w.watermark), _timescaledb_functions.to_timestamp(i.watermark)
    into watermark, threshold
    from _timescaledb_catalog.continuous_agg as c
    join _timescaledb_catalog.continuous_aggs_watermark as w using (mat_hypertable_id)
    left join _timescaledb_catalog.continuous_aggs_invalidation_threshold as i on i.hypertable_id = c.raw_hypertable_id
    where c.user_view_schema = 'feed' and c.user_view_name = 'candles_' || level.timeframe;

    start_at := pg_catalog.date_bin(level.width, greatest(from_time, oldest, final_until), '2000-01-03Z');
    end_at := least(
      pg_catalog.date_bin(level.width, to_time, '2000-01-03Z') + level.width,
      pg_catalog.date_bin(level.width, greatest(watermark, threshold), '2000-01-03Z'));
    below_at := pg_catalog.date_bin(level.width, greatest(watermark, oldest), '2000-01-03Z');
    if end_at > start_at and start_at > below_at then
      call public.refresh_continuous_aggregate(
        format('feed.%I', 'candles_' || level.timeframe)::regclass, below_at, start_at,
        options => jsonb_build_object('buckets_per_batch', level.buckets_per_batch)
      );
      commit;
    end if;
    if end_at > start_at then
      call public.refresh_continuous_aggregate(
        format('feed.%I', 'candles_' || level.timeframe)::regclass, start_at, end_at,
        force => force,
        options => jsonb_build_object('buckets_per_batch', level.buckets_per_batch)
      );
    end if;
    commit;
  end loop;
end
$$;

comment on procedure feed.refresh_candles(timestamptz, timestamptz, boolean) is
  'Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date.';
