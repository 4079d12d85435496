create or replace function dashboard.candles(symbol text, timeframe text, side text default 'mid', max_candles int default 100)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select coalesce(jsonb_agg(c.value), '[]')
  from feed.instruments as i
  cross join lateral (
    select t.observed_at from feed.ticks as t
    where t.instrument_id = i.instrument_id order by t.observed_at desc limit 1
  ) as newest
  cross join lateral dashboard.recent_candles(i.instrument_id, candles.timeframe, candles.side,
    newest.observed_at - feed.timeframe_width(candles.timeframe) * candles.max_candles, newest.observed_at, candles.max_candles) as c(value)
  where i.symbol = candles.symbol
$$;

comment on function dashboard.candles(text, text, text, int) is
  'The candles of the last max_candles buckets of a symbol as a JSON array, newest first. Errors: NOTFR, NOSID.';
grant execute on function dashboard.candles(text, text, text, int) to foresight_web;
