create or replace function dashboard.instrument(symbol text, at timestamptz default now())
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
    'indicators', coalesce(n.indicators, '[]'), 'ratings', coalesce(r.ratings, '[]'))
  from feed.instruments as i
  join feed.sources as s using (source)
  left join lateral dashboard.indicators_of(array[i.instrument_id], at) as n on true
  left join lateral dashboard.ratings_of(array[i.instrument_id], at) as r on true
  where i.symbol = instrument.symbol
$$;

comment on function dashboard.instrument(text, timestamptz) is
  'One instrument with its indicators and ratings, how old they are at a time (UTC), and the timeframes there are, as JSON; null when there is none.';
grant execute on function dashboard.instrument(text, timestamptz) to foresight_web;
