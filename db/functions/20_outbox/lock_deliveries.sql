-- In the order in which outbox.queue_deliveries locks them, so that neither waits for the other. Until the
-- end of the transaction nobody moves them, so their places in the table are a way back to them.
create or replace function outbox.lock_deliveries(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns table (place tid, subscription_id int, has_changed boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return query
  select d.place, s.subscription_id, d.has_changed
  from (
    select s.*
    from unnest(subscription_ids, instrument_ids, timeframes, sides, buckets, revisions)
      as s(subscription_id, instrument_id, timeframe, side, bucket, revision)
    order by s.timeframe, s.subscription_id, s.instrument_id, s.side, s.bucket
  ) as s
  cross join lateral (
    select d.ctid as place, d.revision > s.revision as has_changed
    from outbox.deliveries as d
    where d.subscription_id = s.subscription_id and d.instrument_id = s.instrument_id
      and d.timeframe = s.timeframe and d.side = s.side and d.bucket = s.bucket
    for update
  ) as d;
end
$$;

comment on function outbox.lock_deliveries(int[], int[], text[], text[], timestamptz[], bigint[]) is
  'Lock these deliveries (array i is delivery i) until the end of the transaction, before several of them are changed. Returns for each that is still there its place in the table, its subscription, and whether its candle has changed since that revision.';
