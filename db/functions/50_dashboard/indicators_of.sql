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
  with shown as materialized (
    select d.instrument_id, d.indicator_id, d.kind, d.label, d.timeframe, d.side, l.verdict, l.strength, l.outputs, l.forecast,
      l.bucket, l.bucket + t.width + s.grace <= now() as is_closed, l.bars, d.bars_required, d.bars_window, l.computed_at, t.width
    from indicator.latest_of(array(
      select d.indicator_id from indicator.definitions as d where d.instrument_id = any (instrument_ids))) as l
    join indicator.definitions as d using (indicator_id)
    join feed.instruments as i using (instrument_id)
    join feed.sources as s using (source)
    join feed.timeframes as t using (timeframe)
  )
  select s.instrument_id,
    jsonb_agg(jsonb_build_object(
      'indicator_id', s.indicator_id, 'kind', s.kind, 'label', s.label, 'timeframe', s.timeframe, 'side', s.side,
      'is_own', coalesce(o.is_own, true),
      'verdict', s.verdict, 'absence', case when a.reason is not null then jsonb_build_object('reason', a.reason, 'words', a.words) end,
      'strength', s.strength, 'outputs', s.outputs, 'forecast', s.forecast,
      'bucket', s.bucket, 'is_closed', s.is_closed, 'bars', s.bars, 'bars_required', s.bars_required, 'bars_window', s.bars_window, 'computed_at', s.computed_at,
      'width_seconds', extract(epoch from s.width)::int, 'state', dashboard.freshness(s.bucket, s.width, at)
    ) order by s.width, s.label, s.side, s.indicator_id) as indicators
  from shown as s
  left join indicator.absences(array(select s.indicator_id from shown as s where s.verdict is null)) as a using (indicator_id)
  left join (
    select g.indicator_id, bool_or(w.set is null) as is_own
    from indicator.granted as g join indicator.wishes as w using (wish_id)
    group by g.indicator_id
  ) as o on o.indicator_id = s.indicator_id
  group by s.instrument_id;
end
$$;

comment on function dashboard.indicators_of(int[], timestamptz) is
  'Per instrument that has indicators: the newest value of each as a JSON array, the finest timeframe first. absence says why one has no verdict, state how old a value is at a time (UTC); is_own, whether it was asked for by itself and not only as one of a set.';
