create or replace view alert.faults as
select format('alert %s (%s) cannot be delivered: %s', r.rule_id, r.name, d.error) as fault, d.queued_at as since
from feed.fault_limits as l
cross join alert.rules as r
cross join lateral (
  select n.error, n.queued_at
  from alert.deliveries as n
  where n.rule_id = r.rule_id and n.delivered_at is null and n.gave_up_at is null
  order by n.delivery_id
  limit 1
) as d
where not r.is_paused and d.error is not null and d.queued_at < now() - l.wait
union all
select format('%s messages of alert %s (%s) were given up since %s: %s', count(*), r.rule_id, r.name,
    to_char(min(d.gave_up_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'), (array_agg(d.error order by d.delivery_id desc))[1]), min(d.gave_up_at)
from alert.deliveries as d
join alert.rules as r using (rule_id)
where d.gave_up_at is not null
  and d.gave_up_at >= coalesce((select max(n.delivered_at) from alert.deliveries as n where n.rule_id = d.rule_id), '-infinity')
group by r.rule_id
union all
select format('%s messages of alerts have waited to be sent since %s', count(*), to_char(min(w.since), 'YYYY-MM-DD HH24:MI:SS "UTC"')), min(w.since)
from feed.fault_limits as l
cross join alert.rules as r
cross join lateral (
  select greatest(n.queued_at, n.next_try_at, n.claimed_until) as since
  from alert.deliveries as n
  where n.rule_id = r.rule_id and n.delivered_at is null and n.gave_up_at is null
  order by n.delivery_id
  limit 1
) as w
where not r.is_paused and w.since < now() - l.wait
having count(*) > 0
union all
select format('changed values of %s candles have waited for the rules of alerts since %s', count(*), to_char(min(m.marked_at), 'YYYY-MM-DD HH24:MI:SS "UTC"')),
  min(m.marked_at)
from feed.fault_limits as l
cross join indicator.marks as m
where m.marked_at < now() - l.wait
having count(*) > 0;

comment on view alert.faults is 'What is wrong with alerts, in words, and since when (UTC).';
