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
  refused tid[];
  waiting tid[];
  buried int;
begin
  select array_agg(l.place) filter (where not l.has_changed), array_agg(l.place) filter (where l.has_changed)
  into refused, waiting
  from outbox.lock_deliveries(subscription_ids, instrument_ids, timeframes, sides, buckets, revisions) as l;
  with gone as (
    delete from outbox.deliveries as d where d.ctid = any (refused)
    returning d.*
  )
  insert into outbox.dead_letters (subscription, queue, reason, candle)
  select s.name, s.queue, left(bury.reason, 500), to_jsonb(c)
  from gone as d
  join outbox.subscriptions as s on s.subscription_id = d.subscription_id
  join outbox.candles as c on c.instrument_id = d.instrument_id and c.timeframe = d.timeframe
    and c.side = d.side and c.bucket = d.bucket;
  get diagnostics buried = row_count;

  perform outbox.requeue_deliveries(waiting);
  return buried;
end
$$;

comment on function outbox.bury(int[], int[], text[], text[], timestamptz[], bigint[], text) is
  'These candle revisions were refused for good (array i is delivery i): move them to outbox.dead_letters with the reason. Returns how many.';
grant execute on function outbox.bury(int[], int[], text[], text[], timestamptz[], bigint[], text) to foresight_publish;
