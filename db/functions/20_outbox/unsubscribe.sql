create or replace function outbox.unsubscribe(name text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A capture locks deliveries first and their subscription then, this the other way round.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  delete from outbox.subscriptions as s where s.name = unsubscribe.name;
  return found;
end
$$;

comment on function outbox.unsubscribe(text) is
  'End a subscription and forget what it was not sent; its queue stays. Returns whether there was one.';
