create or replace function outbox.pause(name text)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update outbox.subscriptions as s set is_paused = true where s.name = pause.name and not s.is_paused;
  if found then
    return true;
  elsif not exists (select from outbox.subscriptions as s where s.name = pause.name) then
    raise exception 'there is no subscription %', coalesce(quote_literal(left(pause.name, 80)), 'null') using errcode = 'NOSUB';
  end if;
  return false;
end
$$;

comment on function outbox.pause(text) is
  'Send nothing to a subscription for now; what changes waits, each candle once, with its newest state. Returns whether it was going. What a publisher has in its hand may still be sent. Error NOSUB.';
