-- Make the candles of some ranges of time true, from the finest timeframe up: a coarser level reads the
-- finer one, so the order is what makes it right. Each level's windows are widened to whole buckets.
-- They never begin before what it reads: candles whose ticks were dropped would be taken away.
-- Runs in its own transactions, so it must be a statement of its own. A refresh of an overlapping
-- range that runs now makes it fail with 55P03: try again later, nothing is lost.
--
-- A window ends where the level, or a coarser one that may be made of it, is or is being materialised: what lies above is
-- computed when it is read. Past that point it would raise the watermark, of a day to the end of the day, and every
-- tick until then would be a late one. Short of it a coarser one would be made without what is not stored: the watermark
-- of a day stands at its end, that of a second after the day's last tick. Up to there nothing is jumped over, as below a
-- watermark what was not materialised is missing.
--
-- One refresh costs the more the coarser the level, however few candles it makes; ten buckets between two
-- windows cost less. So each level joins its own windows.
create or replace procedure feed.refresh_ranges(ranges tstzmultirange, force boolean default false)
language plpgsql
as $$
declare
  level record;
  piece record;
  done text[] := '{}';
  -- Candles whose ticks were dropped are final: added up again, their sums would differ in their last bits.
  final_until timestamptz := (select s.dropped_to from feed.storage as s where s.level = 'ticks');
  oldest timestamptz;
  stored_until timestamptz;
  storing_until timestamptz;
  below_at timestamptz;
  end_at timestamptz;
begin
  -- For the rest of the session, as a procedure that commits cannot have it as its own: compiling each
  -- batch took minutes for what runs in seconds.
  perform set_config('jit', 'off', false);
  -- As feed.advance_candles leaves it to the session: here candles are there, which are deleted and made anew.
  perform set_config('timescaledb.enable_merge_on_cagg_refresh', 'off', false);
  -- The finest that was not done yet, asked anew each time: a timeframe that is added meanwhile may have been
  -- stored from finer candles before their refresh, and nobody else would refresh it.
  loop
    select t.timeframe, t.width, feed.stored_relation(t.timeframe)::regclass as candles,
      feed.refresh_options(t.width) as options
    into level
    from feed.timeframes as t where t.timeframe <> all (done) order by t.width limit 1;
    exit when not found;
    done := done || level.timeframe;
    oldest := feed.source_start(level.timeframe);
    continue when oldest is null;
    for piece in
      select pg_catalog.lower(w.window) as start_at, pg_catalog.upper(w.window) - near.gap as end_at
      from (select greatest(interval '1 minute', 10 * level.width) as gap) as near
      cross join lateral pg_catalog.unnest((
        select pg_catalog.range_agg(pg_catalog.tstzrange(
          feed.bucket(level.width, greatest(pg_catalog.lower(r.range), oldest, final_until)),
          feed.bucket(level.width, pg_catalog.upper(r.range)) + level.width + near.gap))
        from pg_catalog.unnest(ranges) as r(range)
        where pg_catalog.upper(r.range) >= greatest(oldest, final_until)
      )) as w("window")
    loop
      select max(w.stored_until) filter (where w.timeframe = level.timeframe), max(w.storing_until)
      into stored_until, storing_until
      from feed.watermarks() as w join feed.timeframes as t using (timeframe) where t.width >= level.width;
      end_at := least(piece.end_at, feed.bucket(level.width, storing_until));
      below_at := feed.bucket(level.width, greatest(stored_until, oldest));
      if end_at > piece.start_at and piece.start_at > below_at then
        call public.refresh_continuous_aggregate(level.candles, below_at, piece.start_at, options => level.options);
        commit;
      end if;
      if end_at > piece.start_at then
        call public.refresh_continuous_aggregate(level.candles, piece.start_at, end_at, force => force, options => level.options);
      end if;
      commit;
    end loop;
  end loop;
end
$$;

comment on procedure feed.refresh_ranges(tstzmultirange, boolean) is
  'Make the candles whose buckets meet some ranges of time (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date. A statement of its own, by the owner. Error 55P03: another refresh runs now; try again later.';
