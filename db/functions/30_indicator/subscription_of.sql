-- The only place that says so.
create or replace function indicator.subscription_of(service text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'indicators.' || service
$$;

comment on function indicator.subscription_of(text) is 'The name of a service''s subscription in outbox.subscriptions.';
-- For those who read ops.status.
grant execute on function indicator.subscription_of(text) to foresight_publish, foresight_web;
