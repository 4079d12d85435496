create or replace function indicator.remove_service(service text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  perform indicator.checked_service(remove_service.service);
  -- Nobody adds an indicator of its kinds meanwhile.
  perform from indicator.services as s where s.service = remove_service.service for update;
  perform from indicator.kinds as k where k.service = remove_service.service for update;
  select string_agg(d.indicator_id::text, ', ' order by d.indicator_id) into users
  from indicator.definitions as d
  where d.service = remove_service.service;
  if users is not null then
    raise exception 'the service % has indicators: %', remove_service.service, left(users, 500)
      using errcode = 'SVUSE', hint = 'Remove those first: select indicator.remove(indicator_id);';
  end if;
  delete from indicator.wishes as w
  using indicator.kinds as k
  where k.kind = w.kind and k.service = remove_service.service;
  delete from indicator.kinds as k where k.service = remove_service.service;
  delete from indicator.pending as p where p.service = remove_service.service;
  delete from indicator.services as s where s.service = remove_service.service;
  -- Nobody needs it any more.
  perform outbox.unsubscribe(indicator.subscription_of(remove_service.service));
end
$$;

comment on function indicator.remove_service(text) is
  'Forget a service with its kinds and its subscription; its queue stays. Errors: NOSVC, SVUSE there are indicators of its kinds.';
