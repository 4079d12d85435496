create or replace view alert.delivery_log as
select d.delivery_id, r.rule_id, r.name, e.event_id, e.event, i.symbol, e.bucket, e.from_state, e.to_state, e.refers_to, e.created_at,
  coalesce(r.queue, substring(r.webhook from '^\w+://[^/?]+')) as target,
  case
    when d.delivered_at is not null then 'delivered'
    when d.gave_up_at is not null then 'given up'
    when d.claimed_until > now() then 'being tried'
    else 'waiting'
  end as state,
  d.attempts, d.http_status, d.error, d.tried_at, d.delivered_at,
  case when d.delivered_at is null and d.gave_up_at is null then greatest(d.next_try_at, d.queued_at) end as next_try_at
from alert.deliveries as d
join alert.events as e using (event_id)
join alert.rules as r on r.rule_id = d.rule_id
left join feed.instruments as i using (instrument_id);

comment on view alert.delivery_log is 'Each message and what became of it: how often it was tried, what a webhook answered last, why the last try failed, when it is tried again. Times are UTC.';
