-- A watermark stands at the end of the last candle that was stored, however far the refresh reached.
create or replace function feed.is_stored_until(until_time timestamptz)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from feed.ticks as t
    where t.observed_at < until_time and t.observed_at >= (
      select min(w.stored_until) from feed.watermarks() as w
    )
  )
$$;

comment on function feed.is_stored_until(timestamptz) is
  'Whether the candles of every timeframe are stored up to a time (UTC), so that what they are made from is not needed to read them.';
