create or replace view ops.faults as
select format('%s is not running', p.name) as fault, p.seen_at as since
from feed.fault_limits as l
cross join lateral (
  select wanted.name, max(p.seen_at) as seen_at
  from (
    select 'process ' || w.process as name, w.process, null as service
    from unnest(array['ingest', 'upkeep', 'publish', 'web']) as w(process)
    union all
    select 'service ' || s.service, null, s.service from indicator.services as s
  ) as wanted
  left join ops.processes as p on p.process = wanted.process or wanted.service = any (p.services)
  group by wanted.name
) as p
where coalesce(p.seen_at <= now() - l.silence, true)
union all
select format('the clock of process %s on %s is %s %s the database''s', p.process, p.host,
    date_trunc('second', greatest(p.clock_offset, -p.clock_offset)), case when p.clock_offset < interval '0' then 'behind' else 'ahead of' end),
  null
from ops.processes as p, feed.fault_limits as l
where p.seen_at > now() - l.silence and greatest(p.clock_offset, -p.clock_offset) > l.clock_skew
union all
select format('maintenance step %s has failed since %s: %s', m.step, to_char(m.failed_since, 'YYYY-MM-DD HH24:MI:SS "UTC"'), m.error),
  m.failed_since
from ops.maintenance_failures as m
union all
select format('%s candles of %s differ from their ticks and could not be repaired', r.unrepaired, to_char(r.from_time, 'YYYY-MM-DD')),
  r.finished_at
from (
  select distinct on (r.from_time) r.from_time, r.unrepaired, r.finished_at
  from ops.reconciliations as r order by r.from_time, r.reconciliation_id desc
) as r
where r.unrepaired > 0;

comment on view ops.faults is 'What is wrong with processes, maintenance and stored candles, in words, and since when (UTC; null: never seen).';
