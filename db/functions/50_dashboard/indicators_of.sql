create or replace function dashboard.indicators_of(instrument_id int)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'indicator_id', l.indicator_id, 'kind', l.kind, 'label', l.label, 'timeframe', l.timeframe, 'side', l.side,
    'verdict', l.verdict, 'value', l.value, 'lines', l.lines, 'bucket', l.bucket, 'is_closed', l.is_closed,
    'bars', l.bars, 'bars_required', l.bars_required, 'computed_at', l.computed_at,
    'width_seconds', extract(epoch from t.width)::int
  ) order by t.width, l.label, l.side, l.indicator_id), '[]')
  from indicator.definitions as d
  join indicator.latest as l using (indicator_id)
  join feed.timeframes as t on t.timeframe = l.timeframe
  where d.instrument_id = indicators_of.instrument_id
$$;

comment on function dashboard.indicators_of(int) is 'The newest value of every indicator of an instrument, as a JSON array.';
