create or replace function dashboard.indicator(indicator_id int)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'indicator_id', d.indicator_id, 'symbol', i.symbol, 'description', i.description,
    'source', i.source, 'is_simulated', s.is_simulated, 'price_precision', i.price_precision,
    'kind', d.kind, 'label', d.label, 'timeframe', d.timeframe, 'side', d.side, 'params', d.params,
    'width_seconds', extract(epoch from t.width)::int, 'rule', k.rule, 'bars_required', d.bars_required,
    'latest', case when l.bucket is not null then jsonb_build_object(
      'bucket', l.bucket, 'value', l.value, 'lines', l.lines, 'verdict', l.verdict,
      'is_closed', l.is_closed, 'bars', l.bars, 'revision', l.revision, 'computed_at', l.computed_at) end)
  from indicator.definitions as d
  join feed.instruments as i using (instrument_id)
  join feed.sources as s using (source)
  join feed.timeframes as t using (timeframe)
  join indicator.kinds as k using (kind)
  join indicator.latest as l using (indicator_id)
  where d.indicator_id = indicator.indicator_id
$$;

comment on function dashboard.indicator(int) is 'One indicator with its rule and newest value, as JSON; null when there is none.';
grant execute on function dashboard.indicator(int) to foresight_web;
