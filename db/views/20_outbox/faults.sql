create or replace view outbox.faults as
select format('changes of %s instruments have waited to be captured since %s',
    c.instruments, to_char(c.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')) as fault, c.since
from feed.fault_limits as l,
  (select count(distinct c.instrument_id) as instruments, min(c.marked_at) as since from outbox.changes as c) as c
where c.since < now() - l.wait
union all
select format('%s candles are over and were not closed, the first since %s',
    c.candles, to_char(c.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')), c.since
from feed.fault_limits as l
cross join lateral (
  select count(*) as candles, min(c.closes_at) as since
  from outbox.candles as c
  where not c.is_closed and c.closes_at < now() - l.wait
) as c
where c.candles > 0
union all
select f.fault, f.since
from outbox.subscriptions as s
cross join feed.fault_limits as l
cross join lateral (
  select min(greatest(d.changed_at, d.due_at)) filter (where d.due_at <= now()) as since,
    count(*) as deliveries, bool_or(d.queued_at <= s.republished_at) as is_republished
  from outbox.deliveries as d
  where d.subscription_id = s.subscription_id
) as w
cross join lateral (values
  (s.last_error is not null and w.deliveries > 0,
    format('subscription %s cannot be sent: %s', s.name, s.last_error), w.since),
  (w.since < now() - l.wait,
    format('subscription %s has waited since %s', s.name, to_char(w.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')), w.since),
  (w.is_republished,
    format('subscription %s is sent again what its queue has lost, since %s', s.name,
      to_char(s.republished_at, 'YYYY-MM-DD HH24:MI:SS "UTC"')), s.republished_at)
) as f(is_so, fault, since)
where not s.is_paused and f.is_so
union all
select format('%s messages are in outbox.dead_letters', d.letters), d.since
from (select count(*) as letters, min(d.failed_at) as since from outbox.dead_letters as d) as d
where d.letters > 0;

comment on view outbox.faults is 'What is wrong between a changed candle and its subscribers'' queues, in words, and since when (UTC; null: not known).';
