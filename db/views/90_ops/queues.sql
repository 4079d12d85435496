create or replace view ops.queues as
select s.name as subscription, s.queue, s.closed_only, s.is_paused,
  waiting.pending, waiting.oldest_pending_at, s.sent_count, s.last_sent_at,
  s.failure_count, s.last_error, s.retry_at,
  (select count(*) from outbox.dead_letters as l where l.subscription = s.name) as dead_letters
from outbox.subscriptions as s
cross join lateral (
  select count(*) as pending, min(d.queued_at) as oldest_pending_at
  from outbox.deliveries as d where d.subscription_id = s.subscription_id
) as waiting
order by s.name;

comment on view ops.queues is 'Every subscription: what waits for its queue, what was sent, and the last error.';
grant select on ops.queues to foresight_publish, foresight_web;
