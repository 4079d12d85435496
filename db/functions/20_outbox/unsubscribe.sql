create or replace function outbox.unsubscribe(name text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone_id int := (select s.subscription_id from outbox.subscriptions as s where s.name = unsubscribe.name);
begin
  -- Who captures, and who marks as sent, locks deliveries first and their subscription then: so does this.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  perform from outbox.deliveries as d where d.subscription_id = gone_id
  order by d.timeframe, d.instrument_id, d.side, d.bucket
  for update;
  delete from outbox.subscriptions as s where s.name = unsubscribe.name;
  return found;
end
$$;

comment on function outbox.unsubscribe(text) is
  'End a subscription and forget what it was not sent; its queue stays. Returns whether there was one.';
