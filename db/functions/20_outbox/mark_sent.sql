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
  done int;
begin
  perform outbox.lock_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets);
  delete from outbox.deliveries as d
  where d.ctid = any (array(
    select d.ctid
    from unnest(subscription_ids, instrument_ids, timeframes, sides, buckets, revisions)
      as s(subscription_id, instrument_id, timeframe, side, bucket, revision)
    cross join lateral (
      select d.ctid
      from outbox.deliveries as d
      where d.subscription_id = s.subscription_id and d.instrument_id = s.instrument_id
        and d.timeframe = s.timeframe and d.side = s.side and d.bucket = s.bucket
        and d.revision <= s.revision
        -- Queued again meanwhile: what it was sent to is gone.
        and not d.is_repeated
      offset 0
    ) as d
  ));
  get diagnostics done = row_count;

  perform outbox.requeue_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets);

  perform from outbox.subscriptions as s where s.subscription_id = any(subscription_ids) order by s.subscription_id for no key update;
  update outbox.subscriptions as s
  set last_sent_at = clock_timestamp(), sent_count = s.sent_count + sent.count,
    failure_count = 0, last_error = null, retry_at = '-infinity'
  from (select subscription_id, count(*) from unnest(subscription_ids) as u(subscription_id) group by 1) as sent
  where s.subscription_id = sent.subscription_id;
  return done;
end
$$;

comment on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[]) is
  'These candle revisions were accepted by their queues (array i is delivery i): remove the deliveries, except where the candle changed since. Returns how many are done.';
grant execute on function outbox.mark_sent(int[], int[], text[], text[], timestamptz[], bigint[]) to foresight_publish;
