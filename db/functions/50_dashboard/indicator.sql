create or replace function dashboard.indicator(indicator_id int, at timestamptz default now())
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select row.value || jsonb_build_object(
    'symbol', i.symbol, 'description', i.description, 'source', i.source, 'is_simulated', s.is_simulated,
    'price_precision', i.price_precision, 'params', d.params, 'rule', k.rule,
    'definition', k.definition, 'service', k.service, 'closed_only', k.closed_only)
  from indicator.definitions as d
  join feed.instruments as i using (instrument_id)
  join feed.sources as s using (source)
  join indicator.kinds as k using (kind)
  cross join lateral dashboard.indicators_of(array[d.instrument_id], at) as n
  cross join lateral jsonb_array_elements(n.indicators) as row(value)
  where d.indicator_id = indicator.indicator_id and (row.value ->> 'indicator_id')::int = d.indicator_id
$$;

comment on function dashboard.indicator(int, timestamptz) is
  'One indicator as dashboard.indicators_of gives it, with its instrument, parameters, rule and where its formula comes from, who computes it and whether of closed candles only, as JSON; null when there is none.';
grant execute on function dashboard.indicator(int, timestamptz) to foresight_web;
