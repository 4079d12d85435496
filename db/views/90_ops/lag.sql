create or replace view ops.lag as
select 'tick to delta' as step,
  count(*) as pending,
  case when count(*) > 0 then greatest(extract(epoch from now() - min(c.changed_to)), 0)::double precision end as seconds
from outbox.changes as c
union all
select 'delta to queue', count(*),
  case when count(*) > 0 then extract(epoch from now() - min(d.queued_at))::double precision end
from outbox.deliveries as d
union all
select 'history to queue', count(*),
  case when count(*) > 0 then extract(epoch from now() - min(c.requested_at))::double precision end
from outbox.catch_ups as c
union all
select 'queue to indicator', count(*), null from indicator.pending
union all
select 'indicator history', count(*),
  case when count(*) > 0 then extract(epoch from now() - min(b.requested_at))::double precision end
from indicator.backfills as b;

comment on view ops.lag is 'What waits at each step of the data''s way, and for how long. For changes the age is by observed_at, so a bulk load of old ticks shows an old age.';
grant select on ops.lag to foresight_publish, foresight_web;
