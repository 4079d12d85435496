-- Values, and why there is none, are asked for all indicators at once, the latter when the first row needs it: asked for
-- each, every row would open chunks of the values and the ticks. Who wants few asks indicator.latest_of.
create or replace view indicator.latest as
select d.indicator_id, i.symbol, d.timeframe, d.side, d.kind, d.label, d.params,
  v.bucket, v.value, v.outputs, v.verdict, v.strength, v.forecast,
  case
    when v.verdict > 0 then 'bullish'
    when v.verdict < 0 then 'bearish'
    when v.verdict = 0 then 'neutral'
    else (
      select jsonb_object_agg(a.indicator_id, a.words) from indicator.absences(array(select e.indicator_id from indicator.definitions as e)) as a
    ) ->> d.indicator_id::text
  end as reading,
  v.bars, d.bars_required, d.bars_window,
  v.bucket + t.width + s.grace <= now() as is_closed,
  v.revision, v.computed_at, i.is_active,
  case when v.verdict is null then (
    select jsonb_object_agg(a.indicator_id, a.reason) from indicator.absences(array(select e.indicator_id from indicator.definitions as e)) as a
  ) ->> d.indicator_id::text end as reason
from indicator.definitions as d
join indicator.latest_of(array(select e.indicator_id from indicator.definitions as e)) as v using (indicator_id)
join feed.instruments as i using (instrument_id)
join feed.sources as s using (source)
join feed.timeframes as t using (timeframe);

comment on view indicator.latest is 'The newest value of every indicator; verdict +1 bullish, 0 neutral, -1 bearish, null while there is none. reading says it in words or, without one, why there is none, and reason the same as a code, see indicator.absences. A value of fewer bars than its window is settling. outputs: those that its kind declares, as [{"name", "unit", "pane", "thresholds", "value"}], value null while there is none.';
