create or replace function outbox.republish(name text, from_time timestamptz default '-infinity')
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  subscription outbox.subscriptions;
  queued int;
begin
  select * into subscription from outbox.subscriptions as s where s.name = republish.name;
  if subscription.subscription_id is null then
    raise exception 'there is no subscription %', quote_literal(left(republish.name, 80)) using errcode = 'NOSUB';
  end if;
  -- Nothing is captured or purged meanwhile.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  insert into outbox.deliveries as old (subscription_id, instrument_id, timeframe, side, bucket, revision)
  select distinct subscription.subscription_id, c.instrument_id, c.timeframe, c.side, c.bucket, c.revision
  from outbox.candles as c
  join outbox.filters as f on f.subscription_id = subscription.subscription_id
    and f.side = c.side
    and (f.instrument_id is null or f.instrument_id = c.instrument_id)
    and (f.timeframe is null or f.timeframe = c.timeframe)
  where (c.is_closed or not subscription.closed_only) and c.closes_at > from_time
  order by 3, 1, 2, 4, 5
  on conflict (subscription_id, instrument_id, timeframe, side, bucket) do update
    set claimed_until = '-infinity' where old.claimed_until > '-infinity';
  get diagnostics queued = row_count;
  -- Somebody may have sent some of it to the queue that is lost, and not yet have said so: he must not mark it as sent.
  update outbox.subscriptions as s set republished_at = clock_timestamp()
  where s.subscription_id = subscription.subscription_id;
  return queued;
end
$$;

comment on function outbox.republish(text, timestamptz) is
  'Queue again every captured candle of a subscription that ends after from_time (UTC), with the revision it has; returns how many. For a queue that lost its messages. Error NOSUB.';
grant execute on function outbox.republish(text, timestamptz) to foresight_publish;
