create or replace function indicator.tg_subscriptions__refuse_removal()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  user_name text := (select s.service from indicator.services as s where indicator.subscription_of(s.service) = old.name);
begin
  if user_name is not null then
    raise exception 'the service % is told about candles by the subscription %', user_name, old.name
      using errcode = 'SVUSE',
        hint = format('select outbox.pause(%1$L); stops it for a while, select indicator.remove_service(%2$L); for good.', old.name, user_name);
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end
$$;

comment on function indicator.tg_subscriptions__refuse_removal() is
  'Before a subscription is removed or renamed. Error SVUSE: it is that of a service.';

create or replace trigger _100_refuse_removal
  before delete or update of name on outbox.subscriptions
  for each row execute function indicator.tg_subscriptions__refuse_removal();
