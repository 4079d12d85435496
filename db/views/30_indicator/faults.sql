create or replace view indicator.faults as
select format('%s indicators of service %s have been behind their candles since %s',
    count(*), b.service, to_char(min(b.behind_since), 'YYYY-MM-DD HH24:MI:SS "UTC"')) as fault, min(b.behind_since) as since
from feed.fault_limits as l, indicator.behind as b
where b.behind_since < now() - l.wait - (
  select coalesce(max(s.forming_every), '0') from outbox.subscriptions as s where s.name = indicator.subscription_of(b.service)
)
group by b.service
union all
select format('%s changed candles of service %s have waited to be computed since %s',
    count(*), p.service, to_char(min(p.accepted_at), 'YYYY-MM-DD HH24:MI:SS "UTC"')), min(p.accepted_at)
from feed.fault_limits as l, indicator.pending as p
where p.accepted_at < now() - l.wait
group by p.service
union all
-- They take turns: what counts is that any of a service goes on.
select format('the history of %s indicators of service %s has not been computed further since %s',
    b.indicators, b.service, to_char(b.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')), b.since
from feed.fault_limits as l, (
  select b.service, count(*) as indicators, max(b.progressed_at) as since from indicator.backfills as b group by b.service
) as b
where b.since < now() - l.wait
union all
select format('service %s refused or set aside %s candles and messages since %s (indicator.dead_letters): %s',
    d.service, count(*), to_char(min(d.first_failed_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'),
    (array_agg(d.detail order by d.failed_at desc))[1]), min(d.first_failed_at)
from indicator.dead_letters as d
group by d.service
union all
select format('service %s did not hear of %s closed candles, such as %s %s at %s, though it did of later ones: its queue lost messages; they are computed now (indicator.missed)',
    m.service, count(*), (array_agg(i.symbol order by m.found_at desc))[1], (array_agg(m.timeframe order by m.found_at desc))[1],
    to_char((array_agg(m.bucket order by m.found_at desc))[1], 'YYYY-MM-DD HH24:MI:SS "UTC"')), min(m.captured_at)
from feed.fault_limits as l, indicator.missed as m
join feed.instruments as i using (instrument_id)
where m.found_at > now() - l.loss
group by m.service
union all
select format('%s values of service %s differ from what the same candles give (indicator.differences), such as %s of %s %s at %s: select indicator.recompute(%s)',
    count(*), k.service, (array_agg(d.label order by f.confirmed_at))[1], (array_agg(i.symbol order by f.confirmed_at))[1],
    (array_agg(d.timeframe order by f.confirmed_at))[1],
    to_char((array_agg(f.bucket order by f.confirmed_at))[1], 'YYYY-MM-DD HH24:MI:SS "UTC"'),
    (array_agg(f.indicator_id order by f.confirmed_at))[1]), min(f.confirmed_at)
from (
  select array_agg(f.indicator_id) as indicator_ids, array_agg(f.bucket) as buckets
  from indicator.differences as f where f.confirmed_at is not null
) as told
cross join lateral indicator.values_at(told.indicator_ids, told.buckets) as v
-- One that was stored anew since is another value.
join indicator.differences as f
  on f.indicator_id = v.indicator_id and f.bucket = v.bucket and f.revision = v.revision and f.stored_at = v.computed_at
join indicator.definitions as d on d.indicator_id = f.indicator_id
join feed.instruments as i using (instrument_id)
join indicator.kinds as k using (kind)
where f.confirmed_at is not null
group by k.service;

comment on view indicator.faults is 'What is wrong between a queue and the values of each service, in words, and since when (UTC).';
