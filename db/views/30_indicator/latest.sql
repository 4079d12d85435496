create or replace view indicator.latest as
select d.indicator_id, i.symbol, d.timeframe, d.side, d.kind, d.label, d.params,
  v.bucket, v.value, v.lines, v.verdict,
  case
    when v.verdict > 0 then 'bullish'
    when v.verdict < 0 then 'bearish'
    when v.verdict = 0 then 'neutral'
    else 'warming up'
  end as reading,
  coalesce(v.bars, 0) as bars, d.bars_required,
  v.bucket + t.width + s.grace <= now() as is_closed,
  v.revision, v.computed_at, i.is_active
from indicator.definitions as d
join feed.instruments as i using (instrument_id)
join feed.sources as s using (source)
join feed.timeframes as t using (timeframe)
left join lateral (
  select v.* from indicator.values as v where v.indicator_id = d.indicator_id order by v.bucket desc limit 1
) as v on true;

comment on view indicator.latest is 'The newest value of every indicator; verdict +1 bullish, 0 neutral, -1 bearish, null while warming up.';
