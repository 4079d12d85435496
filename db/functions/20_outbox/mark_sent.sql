create or replace function outbox.mark_sent(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[],
  claimed_ats timestamptz[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  claimed_at timestamptz := (select min(c.claimed_at) from unnest(claimed_ats) as c(claimed_at));
  places tid[];
  subscriptions int[];
  changes boolean[];
  sent tid[];
  waiting tid[];
begin
  select array_agg(l.place), array_agg(l.subscription_id), array_agg(l.has_changed) into places, subscriptions, changes
  from outbox.lock_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets, revisions) as l;
  -- What was queued again since it was claimed waits too, whoever has claimed it meanwhile: what it was sent to is gone.
  -- In a later statement than the one that waited for who queues it again.
  select array_agg(l.place) filter (where not l.is_waiting), array_agg(l.place) filter (where l.is_waiting) into sent, waiting
  from (
    select l.place, l.has_changed or s.republished_at >= claimed_at as is_waiting
    from unnest(places, subscriptions, changes) as l(place, subscription_id, has_changed)
    join outbox.subscriptions as s on s.subscription_id = l.subscription_id
  ) as l;
  delete from outbox.deliveries as d where d.ctid = any (sent);
  perform outbox.requeue_deliveries(waiting);

  perform from outbox.subscriptions as s where s.subscription_id = any(subscription_ids) order by s.subscription_id for no key update;
  update outbox.subscriptions as s
  set last_sent_at = clock_timestamp(), sent_count = s.sent_count + sent.count,
    failure_count = 0, last_error = null, retry_at = '-infinity'
  from (select subscription_id, count(*) from unnest(subscription_ids) as u(subscription_id) group by 1) as sent
  where s.subscription_id = sent.subscription_id;
  return coalesce(cardinality(sent), 0);
end
$$;

comment on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[], timestamptz[]) is
  'These candle revisions were accepted by their queues (array i is delivery i, claimed_ats as outbox.claim_deliveries gave them): remove the deliveries, except where the candle changed, or was queued again, since. Returns how many are done.';
grant execute on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[], timestamptz[]) to foresight_publish;
