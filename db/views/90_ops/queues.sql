create or replace view ops.queues as
select s.name as subscription, s.queue, s.closed_only, s.forming_every, s.is_paused,
  waiting.pending, waiting.oldest_pending_at,
  (select min(c.next_bucket) from outbox.backfills as c where c.subscription_id = s.subscription_id) as backfilling_from,
  s.sent_count, s.last_sent_at, s.failure_count, s.last_error, s.retry_at,
  (select count(*) from outbox.dead_letters as l where l.subscription = s.name) as dead_letters
from outbox.subscriptions as s
cross join lateral (
  select count(*) as pending, min(greatest(d.changed_at, d.due_at)) as oldest_pending_at
  from outbox.deliveries as d
  where d.subscription_id = s.subscription_id and d.due_at <= now()
) as waiting
order by s.name;

comment on view ops.queues is 'Every subscription: candles that could be sent now and since when the oldest change of them waits, from the tick on, from where on history is still to be queued, what was sent, and the last error. Times are UTC.';
grant select on ops.queues to foresight_publish, foresight_web;
