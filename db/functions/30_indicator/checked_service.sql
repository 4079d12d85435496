create or replace function indicator.checked_service(service text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from indicator.services as s where s.service = checked_service.service) then
    raise exception 'there is no service %', coalesce(quote_literal(left(checked_service.service, 80)), 'null')
      using errcode = 'NOSVC', hint = 'A service registers itself: select indicator.register_service(service);';
  end if;
  return service;
end
$$;

comment on function indicator.checked_service(text) is 'The same service. Error NOSVC there is no such service.';
