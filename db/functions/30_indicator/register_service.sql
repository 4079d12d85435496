create or replace function indicator.register_service(
  service text, queue text default null, description text default '',
  closed_only boolean default null, forming_every interval default null
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  known indicator.services;
  subscription text := indicator.subscription_of(register_service.service);
begin
  insert into indicator.services (service, queue, description, closed_only, forming_every)
  values (
    register_service.service,
    coalesce(register_service.queue, 'foresight-' || replace(register_service.service, '_', '-')),
    register_service.description, coalesce(register_service.closed_only, false),
    coalesce(register_service.forming_every, '0'))
  on conflict on constraint services_pkey do nothing;
  select s.* into known from indicator.services as s where s.service = register_service.service for update;
  -- What its old queue still holds would be lost to it.
  if register_service.queue <> known.queue and exists (select from outbox.subscriptions as s where s.name = subscription) then
    raise exception 'the service % has a subscription with queue %', known.service, known.queue
      using errcode = 'SUBEX', hint = 'Remove its indicators and then the service first: select indicator.remove_service(service);';
  end if;
  update indicator.services as s set
    queue = coalesce(register_service.queue, s.queue),
    description = register_service.description,
    closed_only = coalesce(register_service.closed_only, s.closed_only),
    forming_every = coalesce(register_service.forming_every, s.forming_every)
  where s.service = known.service
    and (s.queue, s.description, s.closed_only, s.forming_every) is distinct from (
      coalesce(register_service.queue, s.queue), register_service.description,
      coalesce(register_service.closed_only, s.closed_only), coalesce(register_service.forming_every, s.forming_every));
  update outbox.subscriptions as o
  set closed_only = coalesce(register_service.closed_only, o.closed_only),
    forming_every = coalesce(register_service.forming_every, o.forming_every)
  where o.name = subscription
    and (o.closed_only, o.forming_every) is distinct from (
      coalesce(register_service.closed_only, o.closed_only), coalesce(register_service.forming_every, o.forming_every));
  perform indicator.repair_subscription(known.service);
  return coalesce(register_service.queue, known.queue);
end
$$;

comment on function indicator.register_service(text, text, text, boolean, interval) is
  'A service says that it is there, each time it starts; then it registers its kinds. queue: the SQS queue on which it is told about candles, foresight-<service> when left out. closed_only: only closed candles. forming_every: at most one state of a candle per this time while it forms. What is null stays as it is. Returns the queue. Errors: SUBEX it has a subscription with another queue, 23505 a queue of another service, 23514 a name that is not allowed.';
grant execute on function indicator.register_service(text, text, text, boolean, interval) to foresight_indicators, foresight_service;
