-- What is counted now, less what was counted before, is added at every level: whole numbers, so that corrections
-- leave no trace, and counting twice changes nothing. A block of which something was given up stays as it is.
-- What is said when its outcome is known, of a replayed file or after an outage, was not said in time. Bounds in time are
-- constants to the planner, as in indicator.values_at.
create or replace function track.count_stretch(
  indicator_ids int[], timeframe text, from_bucket timestamptz, to_bucket timestamptz,
  buckets timestamptz[], closes double precision[], closes_after interval
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  width interval := 16 * feed.timeframe_width(count_stretch.timeframe);
  reach int := (select max(h) from unnest(track.horizons()) as h);
  first_block timestamptz;
  end_block timestamptz := feed.bucket(width, to_bucket) + width;
  first_value timestamptz;
  first_said timestamptz;
begin
  -- A candle is the outcome of those before it.
  first_block := feed.bucket(width, buckets[greatest(1, (select count(*) from unnest(buckets) as b where b < from_bucket) - reach + 1)]);
  if first_block is null then
    return;
  end if;
  select greatest(first_block, feed.bucket(width,
      greatest(indicator.values_from(count_stretch.timeframe), max(s.floor_at) filter (where s.timeframe is not null)) + width - interval '1 microsecond')),
    greatest(first_block, feed.bucket(width, max(s.floor_at) + width - interval '1 microsecond'))
  into first_value, first_said
  from feed.storage as s where s.level in ('verdicts', count_stretch.timeframe);

  with candles as materialized (
    select c.bucket, c.close, c.place from unnest(buckets, closes) with ordinality as c(bucket, close, place)
    where c.bucket + closes_after <= clock_timestamp()
  ),
  outcomes as materialized (
    select c.bucket, h.horizon, c.close as before, e.close as after, e.bucket + closes_after as known_at
    from candles as c
    cross join unnest(track.horizons()) as h(horizon)
    join candles as e on e.place = c.place + h.horizon
    where c.bucket >= first_block and c.bucket < end_block
  ),
  verdicts as (
    select v.indicator_id, false as as_said, v.bucket, v.verdict, null::double precision as price, null::timestamptz as said_at
    from indicator.values as v
    where v.indicator_id = any (indicator_ids) and v.bucket >= first_value and v.bucket < end_block and v.verdict is not null
    union all
    (
      select distinct on (v.indicator_id, v.bucket) v.indicator_id, true, v.bucket, v.verdict, v.price, v.said_at
      from indicator.verdicts as v
      where v.indicator_id = any (indicator_ids) and v.bucket >= first_said and v.bucket < end_block
      order by v.indicator_id, v.bucket, v.revision
    )
  ),
  counted as (
    select v.indicator_id, v.as_said, o.horizon, feed.bucket(width, v.bucket) as block, count(*) as candles,
      count(*) filter (where o.after > coalesce(v.price, o.before)) as ups,
      count(*) filter (where o.after < coalesce(v.price, o.before)) as downs,
      count(*) filter (where v.verdict > 0) as bullish,
      count(*) filter (where v.verdict < 0) as bearish,
      count(*) filter (where v.verdict > 0 and o.after > coalesce(v.price, o.before)) as bullish_hits,
      count(*) filter (where v.verdict < 0 and o.after < coalesce(v.price, o.before)) as bearish_hits
    from verdicts as v
    join outcomes as o using (bucket)
    where v.said_at is null or v.said_at < o.known_at
    group by 1, 2, 3, 4
    union all
    select b.indicator_id, b.as_said, b.horizon, b.block, -b.candles, -b.ups, -b.downs, -b.bullish, -b.bearish,
      -b.bullish_hits, -b.bearish_hits
    from track.blocks as b
    where b.indicator_id = any (indicator_ids) and b.level = 0 and b.as_said in (false, true)
      and b.horizon = any (track.horizons())
      and b.block >= case when b.as_said then first_said else first_value end and b.block < end_block
  ),
  news as (
    select c.indicator_id, c.as_said, c.horizon, c.block, sum(c.candles) as candles, sum(c.ups) as ups, sum(c.downs) as downs,
      sum(c.bullish) as bullish, sum(c.bearish) as bearish, sum(c.bullish_hits) as bullish_hits, sum(c.bearish_hits) as bearish_hits
    from counted as c
    group by 1, 2, 3, 4
    having (sum(c.candles), sum(c.ups), sum(c.downs), sum(c.bullish), sum(c.bearish), sum(c.bullish_hits), sum(c.bearish_hits))
      <> (0, 0, 0, 0, 0, 0, 0)
  )
  insert into track.blocks as b
    (indicator_id, as_said, horizon, level, block, candles, ups, downs, bullish, bearish, bullish_hits, bearish_hits)
  select n.indicator_id, n.as_said, n.horizon, l.level, feed.bucket(width * 4 ^ l.level, n.block),
    sum(n.candles), sum(n.ups), sum(n.downs), sum(n.bullish), sum(n.bearish), sum(n.bullish_hits), sum(n.bearish_hits)
  from news as n
  cross join generate_series(0, 5) as l(level)
  group by 1, 2, 3, 4, 5
  on conflict (indicator_id, as_said, horizon, level, block) do update set
    candles = b.candles + excluded.candles, ups = b.ups + excluded.ups, downs = b.downs + excluded.downs,
    bullish = b.bullish + excluded.bullish, bearish = b.bearish + excluded.bearish,
    bullish_hits = b.bullish_hits + excluded.bullish_hits, bearish_hits = b.bearish_hits + excluded.bearish_hits;
end
$$;

comment on function track.count_stretch(int[], text, timestamptz, timestamptz, timestamptz[], double precision[], interval) is
  'Count anew what the price did after the verdicts of indicators on one series of candles, from so many candles before from_bucket as the longest horizon has up to to_bucket (UTC, inclusive): buckets and closes are its candles, oldest first, with those of a block and of the longest horizon before and after; a candle is closed so long after its bucket as closes_after says.';
