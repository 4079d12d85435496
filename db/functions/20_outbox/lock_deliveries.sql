-- In the order in which outbox.queue_deliveries locks them, so that neither waits for the other.
create or replace function outbox.lock_deliveries(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  perform from (
    select s.*
    from unnest(subscription_ids, instrument_ids, timeframes, sides, buckets)
      as s(subscription_id, instrument_id, timeframe, side, bucket)
    order by s.timeframe, s.subscription_id, s.instrument_id, s.side, s.bucket
  ) as s
  cross join lateral (
    select from outbox.deliveries as d
    where d.subscription_id = s.subscription_id and d.instrument_id = s.instrument_id
      and d.timeframe = s.timeframe and d.side = s.side and d.bucket = s.bucket
    for update
  ) as d;
end
$$;

comment on function outbox.lock_deliveries(int[], int[], text[], text[], timestamptz[]) is
  'Lock these deliveries (array i is delivery i) until the end of the transaction, before several of them are changed.';
