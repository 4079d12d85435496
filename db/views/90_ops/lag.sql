create or replace view ops.lag as
select 'tick to delta' as step,
  count(*) as pending,
  extract(epoch from now() - min(c.marked_at))::double precision as seconds
from outbox.changes as c
union all
select 'delta to queue', count(*),
  extract(epoch from now() - min(d.queued_at))::double precision
from outbox.deliveries as d
union all
select 'history to queue', count(*),
  extract(epoch from now() - min(c.requested_at))::double precision
from outbox.backfills as c
union all
select 'queue to indicator', count(*),
  extract(epoch from now() - least(min(p.accepted_at), (select min(b.behind_since) from indicator.behind as b)))::double precision
from indicator.pending as p
where p.accepted_at <= now()
union all
select 'indicator history', count(*),
  extract(epoch from now() - min(b.requested_at))::double precision
from indicator.backfills as b;

comment on view ops.lag is 'What waits at each step of the data''s way, and for how long. From queue to indicator: the candles that were taken from the queue, and how long the oldest of them, or of what is still in the queue and was sent, has waited.';
grant select on ops.lag to foresight_publish, foresight_web;
