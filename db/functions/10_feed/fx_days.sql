-- Days of the currency market, which end at 17:00 in New York. That is always a whole hour UTC, 21:00 in
-- summer and 22:00 in winter, so they are put together from UTC candles that end at whole hours; a continuous
-- aggregate in a named time zone would lose rows. The zone's rules are the server's own (tzdata).
create or replace function feed.fx_days(
  symbol text,
  side text default 'mid',
  from_time timestamptz default '-infinity',
  to_time timestamptz default 'infinity'
)
returns table (
  trading_date date, begins_at timestamptz, ends_at timestamptz, hours int,
  open double precision, high double precision, low double precision, close double precision,
  average double precision, sum double precision, volume double precision, tick_count bigint,
  is_closed boolean
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  with parts as (
    -- 17:00 is midnight of a clock that is seven hours ahead of New York's.
    select c.*, (c.bucket at time zone 'America/New_York' + interval '7 hours')::date as trading_date
    from feed.candles(
      symbol, feed.timeframe_dividing('1 hour'), side,
      -- No day is longer than 25 hours: the whole of the first and the last one is in this range.
      from_time - interval '25 hours', to_time + interval '25 hours') as c
  )
  select d.trading_date, b.begins_at, b.ends_at, (extract(epoch from b.ends_at - b.begins_at) / 3600)::int,
    d.open, d.high, d.low, d.close, feed.without_noise(d.sum / d.tick_count), feed.without_noise(d.sum), feed.without_noise(d.volume), d.tick_count,
    d.last_is_closed and b.ends_at <= now()
  from (
    select h.trading_date,
      (array_agg(h.open order by h.bucket))[1] as open, max(h.high) as high, min(h.low) as low,
      (array_agg(h.close order by h.bucket desc))[1] as close, sum(h.sum) as sum, sum(h.volume) as volume,
      sum(h.tick_count)::bigint as tick_count, bool_and(h.is_closed) as last_is_closed
    from parts as h
    group by h.trading_date
  ) as d
  cross join lateral (
    select (d.trading_date - interval '7 hours') at time zone 'America/New_York' as begins_at,
      (d.trading_date + interval '17 hours') at time zone 'America/New_York' as ends_at
  ) as b
  where b.ends_at > from_time and b.begins_at < to_time
  order by d.trading_date
$$;

comment on function feed.fx_days(text, text, timestamptz, timestamptz) is
  'Candles of a symbol by days that end at 17:00 in New York, oldest first: the days that meet [from_time, to_time) (UTC). trading_date is the date in New York on which the day ends, so that Sunday evening belongs to Monday; begins_at and ends_at are UTC, and hours is 24, or 23 and 25 when New York changes its clocks. A day without a tick has no row. Made from the candles of 1h, or of the coarsest timeframe there is that divides an hour. Errors: NOINS, NOSID.';
grant execute on function feed.fx_days(text, text, timestamptz, timestamptz) to foresight_ingest, foresight_publish, foresight_indicators;
