-- Whoever sees the candle equal to the provider's needs four prices of a side: the first, the extremes and the last. Where
-- some of a candle was heard, at an end of the gap or before a process died, only what that does not show is added, and
-- only where nobody listened: an open before the first, a close after the last, and extremes where they change neither.
-- So what was heard stays, and stays first and last where it was.
--
-- Each has a fifth of its part to itself: of five seconds of which nothing was heard the moments are 1, 2, 3 and 4. Where
-- the bid rises its low comes before its high, else after it. The extremes of bid and ask go into one tick, though they
-- need not have been at one time: such a bid is never above its ask.
--
-- The bounds in time are constants to the planner, as in feed.recent_ticks.
create or replace function feed.reconstruct_ticks(
  source text,
  symbol text,
  missing_from timestamptz,
  missing_to timestamptz,
  width interval,
  candle_ats timestamptz[],
  bid_opens double precision[],
  bid_highs double precision[],
  bid_lows double precision[],
  bid_closes double precision[],
  ask_opens double precision[],
  ask_highs double precision[],
  ask_lows double precision[],
  ask_closes double precision[]
)
returns table (stored_count int, duplicate_count int, conflicting_count int, rejected_count int)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  -- In less there is no room for four moments.
  room constant interval := '5 microseconds';
  wanted_id int := feed.instrument_id(reconstruct_ticks.symbol);
  grid_from timestamptz;
  grid_to timestamptz;
  made record;
begin
  if exists (
    select from unnest(array[
      cardinality(bid_opens), cardinality(bid_highs), cardinality(bid_lows), cardinality(bid_closes),
      cardinality(ask_opens), cardinality(ask_highs), cardinality(ask_lows), cardinality(ask_closes)]) as given(length)
    where given.length is distinct from cardinality(candle_ats))
  then
    raise exception 'the arrays of candles must have one element per candle' using errcode = 'ARRAY';
  end if;
  select min(c.candle_at), max(c.candle_at) + width into grid_from, grid_to from unnest(candle_ats) as c(candle_at);

  with given as (
    select c.candle_at, greatest(c.candle_at, missing_from) as from_at, least(c.candle_at + width, missing_to) as to_at,
      coalesce(c.bid_close >= c.bid_open, c.ask_close >= c.ask_open) as rises, s.*
    from unnest(candle_ats, bid_opens, bid_highs, bid_lows, bid_closes, ask_opens, ask_highs, ask_lows, ask_closes)
      as c(candle_at, bid_open, bid_high, bid_low, bid_close, ask_open, ask_high, ask_low, ask_close)
    cross join lateral (values
      ('bid', c.bid_open, c.bid_high, c.bid_low, c.bid_close), ('ask', c.ask_open, c.ask_high, c.ask_low, c.ask_close)
    ) as s(side, open, high, low, close)
    where s.open is not null
  ), heard as (
    select feed.bucket(width, t.observed_at) as candle_at, s.side, min(t.observed_at) as first_at, max(t.observed_at) as last_at,
      (array_agg(s.price order by t.observed_at, t.seq))[1] as open, max(s.price) as high, min(s.price) as low,
      (array_agg(s.price order by t.observed_at desc, t.seq desc))[1] as close
    from feed.ticks as t
    cross join lateral (values ('bid', t.bid), ('ask', t.ask)) as s(side, price)
    where t.instrument_id = wanted_id and t.origin <> 'reconstructed' and s.price is not null
      and t.observed_at >= grid_from and t.observed_at < grid_to
    group by 1, 2
  ), lacking as (
    select g.*, g.open is distinct from h.open as lacks_open, g.close is distinct from h.close as lacks_close,
      greatest(g.high, h.high) is distinct from h.high as lacks_high, least(g.low, h.low) is distinct from h.low as lacks_low,
      -- What is missing has three parts: before these, what lies between, and after these. Nothing heard: all of it is both.
      greatest(g.from_at, least(g.to_at, h.first_at)) as before_to, least(g.to_at, greatest(g.from_at, h.last_at)) as after_from
    from given as g
    left join heard as h using (candle_at, side)
    where g.from_at < g.to_at
  ), placed as (
    select l.*,
      case
        when l.lacks_open and l.has_before then 'before'
        when l.lacks_close and l.has_after then 'after'
        when l.has_between then 'between'
        when l.has_after then 'after'
        when l.has_before then 'before'
      end as extremes
    from (
      select l.*, l.before_to - l.from_at >= room as has_before, l.after_from - l.before_to >= room as has_between,
        l.to_at - l.after_from >= room as has_after
      from lacking as l
    ) as l
  ), told as (
    -- Bid and ask in one tick, where each has the same to tell.
    select t.observed_at, max(t.price) filter (where p.side = 'bid') as bid, max(t.price) filter (where p.side = 'ask') as ask
    from placed as p
    cross join lateral (
      select case p.extremes when 'before' then p.from_at when 'between' then p.before_to else p.after_from end as from_at,
        case p.extremes when 'before' then p.before_to when 'between' then p.after_from else p.to_at end as to_at
    ) as x
    cross join lateral (values
      ('open', p.open, p.from_at + (p.before_to - p.from_at) * 0.2,
        p.has_before and (p.lacks_open or p.extremes = 'before' and (p.lacks_high or p.lacks_low))),
      ('high', p.high, x.from_at + (x.to_at - x.from_at) * case when p.rises then 0.6 else 0.4 end, p.lacks_high),
      ('low', p.low, x.from_at + (x.to_at - x.from_at) * case when p.rises then 0.4 else 0.6 end, p.lacks_low),
      ('close', p.close, p.to_at - (p.to_at - p.after_from) * 0.2,
        p.has_after and (p.lacks_close or p.extremes = 'after' and (p.lacks_high or p.lacks_low)))
    ) as t(what, price, observed_at, is_told)
    where t.is_told and p.extremes is not null
    group by p.candle_at, t.what, t.observed_at
  )
  select coalesce(array_agg(t.observed_at order by t.observed_at), '{}') as observed_ats,
    coalesce(array_agg(t.bid order by t.observed_at), '{}') as bids, coalesce(array_agg(t.ask order by t.observed_at), '{}') as asks
  into made
  from told as t;

  return query
  select r.*
  from (select array_fill(null::text, array[cardinality(made.observed_ats)]) as nothing) as n
  cross join lateral feed.record_ticks(reconstruct_ticks.source,
    array_fill(reconstruct_ticks.symbol, array[cardinality(made.observed_ats)]), made.observed_ats,
    n.nothing::bigint[], made.bids, made.asks, n.nothing::float8[], n.nothing::float8[], origin => 'reconstructed') as r;
end
$$;

comment on function feed.reconstruct_ticks(text, text, timestamptz, timestamptz, interval, timestamptz[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[]) is
  'Make ticks of what a source''s provider says of a symbol by candles alone: candle i begins at candle_ats[i] (UTC), is width wide, a timeframe''s grid, and has these prices; those of a side that it does not have are null. Only what is missing from missing_from to missing_to (UTC) is made up: then the open, high, low and close of bid and ask of the candle are the provider''s. Of a candle without a tick these are four (open, the extremes, close), at moments that follow from the candle alone; where ticks were heard, only what they do not show. They say nothing of how many prices there were, nor of sizes, and their mid is that of both extremes, which need not have been at one time. A second run stores nothing. Returns what feed.record_ticks does. Errors: ARRAY arrays of unequal length, NOINS.';
grant execute on function feed.reconstruct_ticks(text, text, timestamptz, timestamptz, interval, timestamptz[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[]) to foresight_ingest;
