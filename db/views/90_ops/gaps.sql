create or replace view ops.gaps as
select i.source, i.symbol, g.gap_from, g.gap_to, g.gap_to - g.gap_from as length, g.cause,
  case when isempty(g.missing) then 'candles only' when g.closed_at is not null then 'impossible' when s.is_repairable then 'to be repaired' else 'open' end as state,
  g.opened_at, g.tries, case when s.is_repairable and g.closed_at is null then g.next_try_at end as next_try_at, g.last_fault
from feed.gaps as g
join feed.instruments as i using (instrument_id)
join feed.sources as s using (source)
where not isempty(g.missing) or g.grade = 'candles'
union all
select i.source, i.symbol, c.covered_to, null, now() - c.covered_to, coalesce(t.reason, 'nobody listens'), 'not listening', null, null, null, null
from feed.instruments as i
join feed.source_states as t using (source)
cross join lateral (
  select max(h.covered_to) as covered_to from feed.coverage as h where h.instrument_id = i.instrument_id
) as c
where i.is_active and c.covered_to < now() - interval '15 seconds'
order by 3 desc;

comment on view ops.gaps is 'Times (UTC) of which ticks of an instrument are or may be missing: open, to be repaired (with the next try), impossible to repair, or going on now (not listening, without an end); and those that were filled from the provider''s candles only, whose ticks are reconstructed. Closed ones are in feed.gaps with their grade.';
grant select on ops.gaps to foresight_publish, foresight_web;
