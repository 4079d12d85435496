create or replace view alert.rule_list as
select r.rule_id, r.name, r.kind, i.symbol, r.timeframe, r.side, d.label as indicator, r.becomes, r.output, r.level, r.fault,
  r.closed_only, r.cooldown, coalesce(r.queue, substring(r.webhook from '^\w+://[^/?]+')) as target, r.is_paused,
  f.event as last_event, f.to_state as last_state, f.bucket as last_bucket, f.created_at as last_event_at,
  w.waiting, g.given_up, coalesce(w.error, g.error) as error
from alert.rules as r
left join feed.instruments as i using (instrument_id)
left join indicator.definitions as d on d.indicator_id = r.indicator_id
left join lateral (
  select e.event, e.to_state, e.bucket, e.created_at
  from alert.events as e
  where e.rule_id = r.rule_id and e.event <> 'test' and e.held_back is null
  order by e.created_at desc
  limit 1
) as f on true
cross join lateral (
  select count(*) as waiting, (array_agg(n.error order by n.delivery_id) filter (where n.error is not null))[1] as error
  from alert.deliveries as n where n.rule_id = r.rule_id and n.delivered_at is null and n.gave_up_at is null
) as w
cross join lateral (
  select count(*) as given_up, (array_agg(n.error order by n.delivery_id desc))[1] as error
  from alert.deliveries as n where n.rule_id = r.rule_id and n.gave_up_at is not null
) as g;

comment on view alert.rule_list is 'The rules: what each is about, where it tells (of a webhook the host alone, as the rest may be a secret), what it told last, and how many messages wait, or were given up, and why. Times are UTC.';
