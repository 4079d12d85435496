-- Of many instruments at once, and in PL/pgSQL, which keeps its plan: to plan what reads a hypertable takes longer
-- than to read it.
create or replace function dashboard.indicators_of(instrument_ids int[], at timestamptz default now())
returns table (instrument_id int, indicators jsonb, summary jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select v.instrument_id, v.indicators, dashboard.summary(v.bullish, v.neutral, v.bearish, v.total - v.bullish - v.neutral - v.bearish)
  from (
    select d.instrument_id,
      jsonb_agg(jsonb_build_object(
        'indicator_id', l.indicator_id, 'kind', l.kind, 'label', l.label, 'timeframe', l.timeframe, 'side', l.side,
        'verdict', l.verdict, 'strength', l.strength, 'outputs', l.outputs, 'forecast', l.forecast,
        'bucket', l.bucket, 'is_closed', l.is_closed, 'bars', l.bars, 'bars_required', l.bars_required, 'bars_window', l.bars_window, 'computed_at', l.computed_at,
        'width_seconds', extract(epoch from t.width)::int, 'state', f.state
      ) order by t.width, l.label, l.side, l.indicator_id) as indicators,
      count(*) as total,
      count(*) filter (where f.state = 'live' and l.verdict > 0) as bullish,
      count(*) filter (where f.state = 'live' and l.verdict = 0) as neutral,
      count(*) filter (where f.state = 'live' and l.verdict < 0) as bearish
    from indicator.definitions as d
    join indicator.latest as l using (indicator_id)
    join feed.timeframes as t on t.timeframe = l.timeframe
    cross join lateral (select dashboard.freshness(l.bucket, t.width, at) as state) as f
    where d.instrument_id = any (instrument_ids)
    group by d.instrument_id
  ) as v;
end
$$;

comment on function dashboard.indicators_of(int[], timestamptz) is
  'Per instrument that has indicators: the newest value of each as a JSON array, the finest timeframe first, and their summary. state says how old a value is at a time (UTC); only live ones that do not warm up vote.';
