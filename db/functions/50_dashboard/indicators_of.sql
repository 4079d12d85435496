-- Of many instruments at once, and in PL/pgSQL, which keeps its plan: to plan what reads a hypertable takes longer
-- than to read it.
create or replace function dashboard.indicators_of(instrument_ids int[], at timestamptz default now())
returns table (instrument_id int, indicators jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select d.instrument_id,
    jsonb_agg(jsonb_build_object(
      'indicator_id', l.indicator_id, 'kind', l.kind, 'label', l.label, 'timeframe', l.timeframe, 'side', l.side,
      'is_own', coalesce(o.is_own, true),
      'verdict', l.verdict, 'strength', l.strength, 'outputs', l.outputs, 'forecast', l.forecast,
      'bucket', l.bucket, 'is_closed', l.is_closed, 'bars', l.bars, 'bars_required', l.bars_required, 'bars_window', l.bars_window, 'computed_at', l.computed_at,
      'width_seconds', extract(epoch from t.width)::int, 'state', dashboard.freshness(l.bucket, t.width, at)
    ) order by t.width, l.label, l.side, l.indicator_id) as indicators
  from indicator.definitions as d
  join indicator.latest as l using (indicator_id)
  join feed.timeframes as t on t.timeframe = l.timeframe
  left join (
    select g.indicator_id, bool_or(w.set is null) as is_own
    from indicator.granted as g join indicator.wishes as w using (wish_id)
    group by g.indicator_id
  ) as o on o.indicator_id = d.indicator_id
  where d.instrument_id = any (instrument_ids)
  group by d.instrument_id;
end
$$;

comment on function dashboard.indicators_of(int[], timestamptz) is
  'Per instrument that has indicators: the newest value of each as a JSON array, the finest timeframe first. state says how old a value is at a time (UTC); is_own, whether it was asked for by itself and not only as one of a set.';
