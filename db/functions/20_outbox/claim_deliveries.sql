-- The claim is a lease: a publisher that dies loses it after 20 seconds, and one that comes back late
-- can only send what consumers already know better (lower revisions).
create or replace function outbox.claim_deliveries(max_deliveries int default 2000)
returns table (
  subscription_id int, subscription text, queue text,
  instrument_id int, symbol text, timeframe text, side text, bucket timestamptz,
  open double precision, high double precision, low double precision, close double precision,
  average double precision, sum double precision, volume double precision, tick_count bigint,
  is_closed boolean, revision bigint
)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with claimed as (
    update outbox.deliveries as d
    set claimed_until = clock_timestamp() + interval '20 seconds'
    from (
      select d.subscription_id, d.instrument_id, d.timeframe, d.side, d.bucket
      from outbox.deliveries as d
      join outbox.subscriptions as s on s.subscription_id = d.subscription_id
      where d.claimed_until < clock_timestamp() and not s.is_paused and s.retry_at <= clock_timestamp()
      limit max_deliveries
      for update of d skip locked
    ) as free
    where d.subscription_id = free.subscription_id and d.instrument_id = free.instrument_id
      and d.timeframe = free.timeframe and d.side = free.side and d.bucket = free.bucket
    returning d.*
  )
  select s.subscription_id, s.name, s.queue,
    i.instrument_id, i.symbol, c.timeframe, c.side, c.bucket,
    c.open, c.high, c.low, c.close, c.sum / c.tick_count, c.sum, c.volume, c.tick_count, c.is_closed, c.revision
  from claimed as d
  join outbox.subscriptions as s on s.subscription_id = d.subscription_id
  join feed.instruments as i on i.instrument_id = d.instrument_id
  join outbox.candles as c on c.instrument_id = d.instrument_id and c.timeframe = d.timeframe
    and c.side = d.side and c.bucket = d.bucket
  order by s.subscription_id, c.revision
$$;

comment on function outbox.claim_deliveries(int) is
  'Lease up to max_deliveries waiting deliveries for 20 seconds, of subscriptions that are not paused and not backing off, with the newest state of their candles.';
grant execute on function outbox.claim_deliveries(int) to foresight_publish;
