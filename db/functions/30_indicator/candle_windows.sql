-- Stretches that lie near each other in time are read together, one statement a timeframe and side:
-- planning a read of a continuous aggregate takes longer than reading it, and the live stretches of all
-- instruments lie at the same time. Where that finds too few candles, though there may be more further away,
-- it is read again from further away, a series apart from the others: one may be dense where another is not.
create or replace function indicator.candle_windows(
  instrument_ids int[], timeframes text[], sides text[],
  from_buckets timestamptz[], to_buckets timestamptz[], bars_before int[], bars_after int[]
)
returns table (
  "position" int,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[],
  spreads double precision[]
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set max_parallel_workers_per_gather = 0
as $$
#variable_conflict use_column
declare
  -- So many buckets are looked at on each side of a stretch.
  spans_before bigint[] := array(
    select case when b.bars > 0 then 2 * b.bars + 2 else 0 end
    from unnest(bars_before) with ordinality as b(bars, place) order by b.place);
  spans_after bigint[] := array(
    select case when a.bars > 0 then 2 * a.bars + 2 else 0 end
    from unnest(bars_after) with ordinality as a(bars, place) order by a.place);
  unread int[] := array(select generate_series(1, cardinality(instrument_ids)));
  again int[];
  is_apart boolean := false;
  -- So many candles that nobody needs take less time to read than a statement of its own; further away a series has few.
  bridge_buckets bigint := 1000;
  -- What was asked of an instrument is not asked for each of its stretches: it is a plan over all chunks of ticks.
  begun int[] := '{}';
  first_ticks timestamptz[] := '{}';
  ended int[] := '{}';
  last_ticks timestamptz[] := '{}';
  known int;
  is_short_before boolean;
  is_short_after boolean;
  piece record;
  stretch record;
begin
  while cardinality(unread) > 0 loop
    again := '{}';
    for piece in
      with stretches as (
        select s.*, t.width, case when is_apart then s.instrument_id end as apart,
          tstzrange(s.from_bucket - t.width * s.span_before, s.to_bucket + t.width * s.span_after, '[]') as reach
        from unnest(instrument_ids, timeframes, sides, from_buckets, to_buckets, spans_before, spans_after)
          with ordinality as s(instrument_id, timeframe, side, from_bucket, to_bucket, span_before, span_after, place)
        cross join lateral (select feed.timeframe_width(s.timeframe) as width) as t
        where s.place = any (unread)
      ),
      bridges as (
        select s.timeframe, s.side, s.apart, s.width, s.width * (bridge_buckets / count(distinct s.instrument_id)) as bridge
        from stretches as s
        group by s.timeframe, s.side, s.apart, s.width
      ),
      bridged as (
        select b.timeframe, b.side, b.apart, b.width, b.bridge,
          unnest(range_agg(tstzrange(lower(s.reach), upper(s.reach) + b.bridge, '[]'))) as reach
        from bridges as b
        join stretches as s on s.timeframe = b.timeframe and s.side = b.side and s.apart is not distinct from b.apart
        group by 1, 2, 3, 4, 5
      ),
      pieces as (
        select b.timeframe, b.side, b.apart, b.width, tstzrange(lower(b.reach), upper(b.reach) - b.bridge, '[]') as reach
        from bridged as b
      )
      -- What is below the floor may be gone: it counts as gone.
      select p.timeframe, p.side, p.width, k.floor_at, greatest(lower(p.reach), k.floor_at) as start_at,
        upper(p.reach) as end_at,
        array_agg(distinct s.instrument_id) as instrument_ids, array_agg(s.place) as places,
        p.side = 'mid' and exists (
          select from outbox.filters as f
          where f.with_spread and f.timeframe = p.timeframe and f.instrument_id = any (array_agg(s.instrument_id))
        ) as with_spread
      from pieces as p
      join stretches as s on s.timeframe = p.timeframe and s.side = p.side
        and s.apart is not distinct from p.apart and s.reach && p.reach
      join feed.storage as k on k.level = p.timeframe
      group by p.timeframe, p.side, p.apart, p.width, p.reach, k.floor_at
    loop
      for stretch in
        with series as materialized (
          -- The rows come in order, so the arrays need no sort of their own.
          select c.instrument_id, array_agg(c.bucket) as buckets, array_agg(c.open) as opens,
            array_agg(c.high) as highs, array_agg(c.low) as lows, array_agg(c.close) as closes,
            array_agg(c.sum) as sums, array_agg(c.volume) as volumes, array_agg(c.tick_count) as tick_counts,
            array_agg(c.spread) as spreads
          from (
            select r.* from feed.read_candles(
              piece.timeframe, piece.instrument_ids, array[piece.side], piece.start_at,
              piece.end_at + interval '1 microsecond', with_spread => piece.with_spread) as r
            order by r.instrument_id, r.bucket
          ) as c
          group by c.instrument_id
        ),
        -- Candles of a stretch are those at first to last in the arrays of its series. To look for each candle in
        -- each stretch takes minutes when hundreds of stretches share a long piece.
        placed as materialized (
          select s.place, s.of_instrument, coalesce(n.count_before, 0) < s.bars_before as lacks_before,
            -- No tick is later than our clock and its tolerance.
            coalesce(cardinality(c.buckets) - n.count_until, 0) < s.bars_after
              and piece.end_at <= clock_timestamp() + interval '5 seconds' as lacks_after,
            c.buckets[n.first:n.last] as buckets, c.opens[n.first:n.last] as opens, c.highs[n.first:n.last] as highs,
            c.lows[n.first:n.last] as lows, c.closes[n.first:n.last] as closes, c.sums[n.first:n.last] as sums,
            c.volumes[n.first:n.last] as volumes, c.tick_counts[n.first:n.last] as tick_counts,
            c.spreads[n.first:n.last] as spreads
          from unnest(instrument_ids, from_buckets, to_buckets, bars_before, bars_after)
            with ordinality as s(of_instrument, from_bucket, to_bucket, bars_before, bars_after, place)
          left join series as c on c.instrument_id = s.of_instrument
          cross join lateral (
            select p.count_before, p.count_until, p.count_before - s.bars_before + 1 as first,
              p.count_until + s.bars_after as last
            from (
              select width_bucket(s.from_bucket - interval '1 microsecond', c.buckets) as count_before,
                width_bucket(s.to_bucket, c.buckets) as count_until
            ) as p
          ) as n
          where s.place = any (piece.places)
        )
        select p.place::int as place, p.of_instrument, p.lacks_before, p.lacks_after,
          nullif(p.buckets, '{}') as buckets, nullif(p.opens, '{}') as opens, nullif(p.highs, '{}') as highs,
          nullif(p.lows, '{}') as lows, nullif(p.closes, '{}') as closes, nullif(p.sums, '{}') as sums,
          nullif(p.volumes, '{}') as volumes, nullif(p.tick_counts, '{}') as tick_counts,
          nullif(p.spreads, '{}') as spreads
        from placed as p
      loop
        is_short_before := false;
        if stretch.lacks_before then
          known := array_position(begun, stretch.of_instrument);
          if known is null then
            begun := begun || stretch.of_instrument;
            first_ticks := first_ticks || feed.first_observed_at(stretch.of_instrument);
            known := cardinality(begun);
          end if;
          is_short_before := first_ticks[known] is not null
            and greatest(feed.bucket(piece.width, first_ticks[known]), piece.floor_at) < piece.start_at;
        end if;
        is_short_after := false;
        if stretch.lacks_after then
          known := array_position(ended, stretch.of_instrument);
          if known is null then
            ended := ended || stretch.of_instrument;
            last_ticks := last_ticks || (
              select k.observed_at from feed.newest_ticks as k where k.instrument_id = stretch.of_instrument);
            known := cardinality(ended);
          end if;
          is_short_after := coalesce(feed.bucket(piece.width, last_ticks[known]) > piece.end_at, false);
        end if;
        if is_short_before then
          spans_before[stretch.place] := spans_before[stretch.place] * 8;
        end if;
        if is_short_after then
          spans_after[stretch.place] := spans_after[stretch.place] * 8;
        end if;
        if is_short_before or is_short_after then
          again := again || stretch.place;
          continue;
        end if;
        "position" := stretch.place;
        buckets := stretch.buckets;
        opens := stretch.opens;
        highs := stretch.highs;
        lows := stretch.lows;
        closes := stretch.closes;
        sums := stretch.sums;
        volumes := stretch.volumes;
        tick_counts := stretch.tick_counts;
        spreads := stretch.spreads;
        return next;
      end loop;
    end loop;
    unread := again;
    is_apart := true;
    bridge_buckets := bridge_buckets * 8;
  end loop;
end
$$;

comment on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) is
  'indicator.candle_window for several stretches at once (array i is stretch i); position counts them from 1, in no order. Errors: NOTFR.';
grant execute on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) to foresight_indicators, foresight_service;
