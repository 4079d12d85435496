create or replace function outbox.mark_sent(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  sent tid[];
  waiting tid[];
begin
  -- What was queued again meanwhile waits too: what it was sent to is gone.
  select array_agg(l.place) filter (where not l.has_changed and not l.is_repeated),
    array_agg(l.place) filter (where l.has_changed or l.is_repeated)
  into sent, waiting
  from outbox.lock_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets, revisions) as l;
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

comment on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[]) is
  'These candle revisions were accepted by their queues (array i is delivery i): remove the deliveries, except where the candle changed since. Returns how many are done.';
grant execute on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[]) to foresight_publish;
