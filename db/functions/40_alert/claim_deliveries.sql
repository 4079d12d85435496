create or replace function alert.claim_deliveries(max_deliveries int default 20, lease interval default '30 seconds')
returns table (delivery_id bigint, event_id uuid, rule_id int, webhook text, queue text, secret text, body text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  with next_ones as materialized (
    -- A message waits for the one before it, so that nothing is taken back that was not told.
    select h.delivery_id
    from alert.rules as r
    cross join lateral (
      select d.delivery_id, d.claimed_until, d.next_try_at
      from alert.deliveries as d
      where d.rule_id = r.rule_id and d.delivered_at is null and d.gave_up_at is null
      order by d.delivery_id
      limit 1
    ) as h
    where not r.is_paused and h.claimed_until < clock_timestamp() and h.next_try_at <= clock_timestamp()
    order by h.next_try_at
    limit max_deliveries
  ),
  free as materialized (
    select d.delivery_id
    from alert.deliveries as d
    where d.delivery_id in (select n.delivery_id from next_ones as n)
      and d.claimed_until < clock_timestamp() and d.delivered_at is null and d.gave_up_at is null
    order by d.delivery_id
    for update skip locked
  ),
  claimed as (
    update alert.deliveries as d
    set claimed_until = clock_timestamp() + lease, tried_at = clock_timestamp(), attempts = d.attempts + 1
    from free as f where d.delivery_id = f.delivery_id
    returning d.delivery_id, d.event_id, d.rule_id
  )
  select c.delivery_id, c.event_id, c.rule_id, r.webhook, r.queue, s.secret, e.body::text
  from claimed as c
  join alert.rules as r using (rule_id)
  join alert.secrets as s using (rule_id)
  join alert.events as e using (event_id)
  order by c.delivery_id;
end
$$;

comment on function alert.claim_deliveries(int, interval) is
  'Take messages that are to be delivered now, at most one of each rule, for as long as the lease lasts: where each goes, the key that signs it, and its body.';
grant execute on function alert.claim_deliveries(int, interval) to foresight_publish;
