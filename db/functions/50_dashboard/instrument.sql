create or replace function dashboard.instrument(symbol text)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'instrument_id', i.instrument_id, 'symbol', i.symbol, 'description', i.description, 'source', i.source,
    'is_simulated', s.is_simulated, 'price_precision', i.price_precision, 'is_active', i.is_active,
    'timeframes', (
      select jsonb_agg(jsonb_build_object('timeframe', t.timeframe, 'width_seconds', extract(epoch from t.width)::int) order by t.width)
      from feed.timeframes as t),
    'indicators', dashboard.indicators_of(i.instrument_id))
  from feed.instruments as i
  join feed.sources as s using (source)
  where i.symbol = instrument.symbol
$$;

comment on function dashboard.instrument(text) is 'One instrument with its indicators and the timeframes there are, as JSON; null when there is none.';
grant execute on function dashboard.instrument(text) to foresight_web;
