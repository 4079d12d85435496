-- Why there is none is asked for all indicators at once, when the first row needs it: asked for each, every row would open
-- all chunks of the ticks.
create or replace view indicator.latest as
select d.indicator_id, i.symbol, d.timeframe, d.side, d.kind, d.label, d.params,
  v.bucket, v.value,
  (select coalesce(jsonb_agg('{"thresholds": []}' || o.spec || jsonb_build_object('value', v.outputs[o.place]) order by o.place), '[]')
    from jsonb_array_elements(k.outputs) with ordinality as o(spec, place)) as outputs,
  v.verdict, v.strength,
  case when v.horizon is not null then jsonb_build_object('horizon', v.horizon, 'low', v.low, 'high', v.high) end as forecast,
  case
    when v.verdict > 0 then 'bullish'
    when v.verdict < 0 then 'bearish'
    when v.verdict = 0 then 'neutral'
    else (
      select jsonb_object_agg(a.indicator_id, a.words) from indicator.absences(array(select e.indicator_id from indicator.definitions as e)) as a
    ) ->> d.indicator_id::text
  end as reading,
  coalesce(v.bars, 0) as bars, d.bars_required, d.bars_window,
  v.bucket + t.width + s.grace <= now() as is_closed,
  v.revision, v.computed_at, i.is_active,
  case when v.verdict is null then (
    select jsonb_object_agg(a.indicator_id, a.reason) from indicator.absences(array(select e.indicator_id from indicator.definitions as e)) as a
  ) ->> d.indicator_id::text end as reason
from indicator.definitions as d
join feed.instruments as i using (instrument_id)
join feed.sources as s using (source)
join feed.timeframes as t using (timeframe)
join indicator.kinds as k using (kind)
left join lateral (
  select v.* from indicator.values as v where v.indicator_id = d.indicator_id order by v.bucket desc limit 1
) as v on true;

comment on view indicator.latest is 'The newest value of every indicator; verdict +1 bullish, 0 neutral, -1 bearish, null while there is none. reading says it in words or, without one, why there is none, and reason the same as a code, see indicator.absences. A value of fewer bars than its window is settling. outputs: those that its kind declares, as [{"name", "unit", "pane", "thresholds", "value"}], value null while there is none.';
