create or replace view ops.services as
select s.service, s.description, s.queue, s.closed_only, s.forming_every,
  (select count(*) from indicator.definitions as d where d.service = s.service) as indicators,
  p.processes, p.seen_at, coalesce(p.seen_at > now() - l.silence, false) as is_running,
  (select count(*) from outbox.subscriptions as o join outbox.deliveries as d using (subscription_id)
   where o.name = indicator.subscription_of(s.service) and d.due_at <= now()) as to_send,
  c.pending, c.pending_since, h.histories, h.history_since,
  b.behind_since
from indicator.services as s
cross join feed.fault_limits as l
left join (
  select b.service, min(b.behind_since) as behind_since from indicator.behind as b group by b.service
) as b using (service)
cross join lateral (
  select max(p.seen_at) as seen_at,
    array_agg(p.host || ' ' || p.process_id order by p.host, p.process_id) filter (where p.seen_at > now() - l.silence) as processes
  from ops.processes as p where s.service = any (p.services)
) as p
cross join lateral (
  select count(*) as pending, min(c.accepted_at) as pending_since from indicator.pending as c
  where c.service = s.service and c.accepted_at <= now()
) as c
cross join lateral (
  select count(*) as histories, max(h.progressed_at) as history_since from indicator.backfills as h where h.service = s.service
) as h;

comment on view ops.services is 'Who computes: each service with its indicators, the processes (host and id) that compute for it, what its queue was not sent yet, what it took and did not compute yet and since when, how many histories it computes and when it last got further, and since when it is behind what it was sent. Times are UTC.';
grant select on ops.services to foresight_publish, foresight_web;
