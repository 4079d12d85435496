create or replace function ops.redrive(subscription text default null)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  letters outbox.dead_letters[];
begin
  -- Nothing is captured or purged meanwhile.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  with gone as (
    delete from outbox.dead_letters as l
    using outbox.subscriptions as s
    where s.name = l.subscription and (redrive.subscription is null or l.subscription = redrive.subscription)
      and exists (select from feed.timeframes as t where t.timeframe = l.candle ->> 'timeframe')
    returning l.*
  )
  select coalesce(array_agg(row(g.*)::outbox.dead_letters), '{}') into letters from gone as g;
  -- A closed candle that was purged has not changed since: the letter has its newest state.
  insert into outbox.candles
  select c.*
  from unnest(letters) as l
  cross join lateral jsonb_populate_record(null::outbox.candles, l.candle) as c
  on conflict (instrument_id, timeframe, side, bucket) do nothing;
  insert into outbox.deliveries (subscription_id, instrument_id, timeframe, side, bucket, revision)
  select distinct s.subscription_id, c.instrument_id, c.timeframe, c.side, c.bucket, c.revision
  from unnest(letters) as l
  cross join lateral jsonb_populate_record(null::outbox.candles, l.candle) as k
  join outbox.subscriptions as s on s.name = l.subscription
  join outbox.candles as c
    on c.instrument_id = k.instrument_id and c.timeframe = k.timeframe and c.side = k.side and c.bucket = k.bucket
  order by 3, 1, 2, 4, 5
  on conflict (subscription_id, instrument_id, timeframe, side, bucket) do nothing;
  -- And what services refused of their queues or could not compute.
  return cardinality(letters) + coalesce((
    select sum(indicator.redrive(s.service)) from indicator.services as s
    where redrive.subscription is null or indicator.subscription_of(s.service) = redrive.subscription
  ), 0);
end
$$;

comment on function ops.redrive(text) is
  'Try dead letters again, of one subscription or (null) of all: candles that its queue refused are queued with their newest state, and those that a service refused or set aside are taken once more. Returns how many. Letters whose subscription or timeframe is gone stay, and those that are no message of ours.';
