-- Stretches that lie near each other in time are read together, one statement a timeframe and side:
-- planning a read of a continuous aggregate takes longer than reading it, and the live stretches of all
-- instruments lie at the same time. A stretch that found too few candles, though there may be more
-- further away, is read again on its own.
create or replace function indicator.candle_windows(
  instrument_ids int[], timeframes text[], sides text[],
  from_buckets timestamptz[], to_buckets timestamptz[], bars_before int[], bars_after int[]
)
returns table (
  "position" int,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[]
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
  piece record;
  stretch record;
begin
  for piece in
    with stretches as (
      select s.*, tstzrange(
          s.from_bucket - t.width * (case when s.bars_before > 0 then 2 * s.bars_before + 2 else 0 end),
          s.to_bucket + t.width * (case when s.bars_after > 0 then 2 * s.bars_after + 2 else 0 end), '[]') as reach
      from unnest(instrument_ids, timeframes, sides, from_buckets, to_buckets, bars_before, bars_after)
        with ordinality as s(instrument_id, timeframe, side, from_bucket, to_bucket, bars_before, bars_after, place)
      cross join lateral (select feed.timeframe_width(s.timeframe) as width) as t
    ),
    pieces as (
      select s.timeframe, s.side, unnest(range_agg(s.reach)) as reach from stretches as s group by 1, 2
    )
    -- What is below the floor may be gone: it counts as gone.
    select p.timeframe, p.side, greatest(lower(p.reach), k.floor_at) as start_at, upper(p.reach) as end_at,
      array_agg(distinct s.instrument_id) as instrument_ids, array_agg(s.place) as places
    from pieces as p
    join stretches as s on s.timeframe = p.timeframe and s.side = p.side and s.reach && p.reach
    join feed.storage as k on k.level = p.timeframe
    group by p.timeframe, p.side, p.reach, k.floor_at
  loop
    for stretch in
      -- The rows come in order, so the arrays need no sort of their own.
      select w.place::int as place, min(w.bars_before) as bars_before, min(w.bars_after) as bars_after,
        count(*) filter (where w.bucket < w.from_bucket) as found_before,
        count(*) filter (where w.bucket > w.to_bucket) as found_after,
        array_agg(w.bucket) filter (where w.bucket is not null) as buckets,
        array_agg(w.open) filter (where w.bucket is not null) as opens,
        array_agg(w.high) filter (where w.bucket is not null) as highs,
        array_agg(w.low) filter (where w.bucket is not null) as lows,
        array_agg(w.close) filter (where w.bucket is not null) as closes,
        array_agg(w.sum) filter (where w.bucket is not null) as sums,
        array_agg(w.volume) filter (where w.bucket is not null) as volumes,
        array_agg(w.tick_count) filter (where w.bucket is not null) as tick_counts
      from (
        select s.*, c.*,
          row_number() over series as n,
          count(*) filter (where c.bucket < s.from_bucket) over whole as count_before,
          count(*) filter (where c.bucket <= s.to_bucket) over whole as count_until
        from unnest(instrument_ids, from_buckets, to_buckets, bars_before, bars_after)
          with ordinality as s(of_instrument, from_bucket, to_bucket, bars_before, bars_after, place)
        left join feed.read_candles(
          piece.timeframe, piece.instrument_ids, array[piece.side], piece.start_at, piece.end_at + interval '1 microsecond') as c
          on c.instrument_id = s.of_instrument
          and (s.bars_before > 0 or c.bucket >= s.from_bucket)
          and (s.bars_after > 0 or c.bucket <= s.to_bucket)
        where s.place = any (piece.places)
        window series as (partition by s.place order by c.bucket), whole as (partition by s.place)
        order by s.place, c.bucket
      ) as w
      where w.bucket is null or w.n > w.count_before - w.bars_before and w.n <= w.count_until + w.bars_after
      group by w.place
    loop
      "position" := stretch.place;
      -- No tick is later than our clock and its tolerance.
      if (stretch.found_after >= stretch.bars_after or piece.end_at > clock_timestamp() + interval '5 seconds')
        and (stretch.found_before >= stretch.bars_before
          or feed.history_start(instrument_ids[stretch.place], timeframes[stretch.place]) >= piece.start_at)
      then
        buckets := stretch.buckets;
        opens := stretch.opens;
        highs := stretch.highs;
        lows := stretch.lows;
        closes := stretch.closes;
        sums := stretch.sums;
        volumes := stretch.volumes;
        tick_counts := stretch.tick_counts;
      else
        select w.* into buckets, opens, highs, lows, closes, sums, volumes, tick_counts
        from indicator.candle_window(
          instrument_ids[stretch.place], timeframes[stretch.place], sides[stretch.place],
          from_buckets[stretch.place], to_buckets[stretch.place], stretch.bars_before, stretch.bars_after) as w;
      end if;
      return next;
    end loop;
  end loop;
end
$$;

comment on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) is
  'indicator.candle_window for several stretches at once (array i is stretch i); position counts them from 1, in no order. Errors: NOTFR.';
grant execute on function indicator.candle_windows(int[], text[], text[], timestamptz[], timestamptz[], int[], int[]) to foresight_indicators, foresight_service;
