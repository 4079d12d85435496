create or replace function outbox.queues()
returns text[]
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select array(select distinct s.queue from outbox.subscriptions as s where not s.is_paused order by s.queue)
$$;

comment on function outbox.queues() is 'The queues of all subscriptions that are not paused.';
grant execute on function outbox.queues() to foresight_publish;
