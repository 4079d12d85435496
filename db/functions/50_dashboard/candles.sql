create or replace function dashboard.candles(symbol text, timeframe text, side text default 'mid', max_candles int default 100)
returns jsonb
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(c.value), '[]')
  -- First, so that an unknown timeframe or side is told of an instrument without ticks, too.
  from (select feed.timeframe_width(candles.timeframe) as width, feed.checked_side(candles.side) as side offset 0) as asked
  cross join feed.instruments as i
  left join feed.newest_ticks as newest using (instrument_id)
  cross join lateral dashboard.recent_candles(i.instrument_id, candles.timeframe, asked.side,
    newest.observed_at - asked.width * candles.max_candles, newest.observed_at, candles.max_candles) as c(value)
  where i.symbol = candles.symbol
$$;

comment on function dashboard.candles(text, text, text, int) is
  'The candles of the last max_candles buckets of a symbol as a JSON array, newest first. Errors: NOTFR, NOSID.';
grant execute on function dashboard.candles(text, text, text, int) to foresight_web;
