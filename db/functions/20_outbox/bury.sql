create or replace function outbox.bury(
  subscription_ids int[], instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[],
  reason text
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  buried int;
begin
  perform outbox.lock_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets);
  with gone as (
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
        offset 0
      ) as d
    ))
    returning d.*
  )
  insert into outbox.dead_letters (subscription, queue, reason, candle)
  select s.name, s.queue, left(bury.reason, 500), to_jsonb(c)
  from gone as d
  join outbox.subscriptions as s on s.subscription_id = d.subscription_id
  join outbox.candles as c on c.instrument_id = d.instrument_id and c.timeframe = d.timeframe
    and c.side = d.side and c.bucket = d.bucket;
  get diagnostics buried = row_count;

  perform outbox.requeue_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets);
  return buried;
end
$$;

comment on function outbox.bury(int[], int[], text[], text[], timestamptz[], bigint[], text) is
  'These candle revisions were refused for good (array i is delivery i): move them to outbox.dead_letters with the reason. Returns how many.';
grant execute on function outbox.bury(int[], int[], text[], text[], timestamptz[], bigint[], text) to foresight_publish;
