-- Changed while an earlier state was sent or refused: the newer one may go at once, behind what has waited longer.
create or replace function outbox.requeue_deliveries(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  update outbox.deliveries as d
  set claimed_until = '-infinity', queued_at = clock_timestamp(), changed_at = clock_timestamp()
  where d.ctid = any (array(
    select d.ctid
    from unnest(subscription_ids, instrument_ids, timeframes, sides, buckets)
      as s(subscription_id, instrument_id, timeframe, side, bucket)
    cross join lateral (
      select d.ctid
      from outbox.deliveries as d
      where d.subscription_id = s.subscription_id and d.instrument_id = s.instrument_id
        and d.timeframe = s.timeframe and d.side = s.side and d.bucket = s.bucket
      offset 0
    ) as d
  ));
end
$$;

comment on function outbox.requeue_deliveries(int[], int[], text[], text[], timestamptz[]) is
  'Those of these deliveries (array i is delivery i) that are still there wait from now on, unclaimed. Locked before by outbox.lock_deliveries.';
