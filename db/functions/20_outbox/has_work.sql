create or replace function outbox.has_work()
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from outbox.changes)
    or exists (select from outbox.candles as c where not c.is_closed and c.closes_at <= clock_timestamp())
    or exists (
      select from outbox.deliveries as d
      join outbox.subscriptions as s using (subscription_id)
      where not s.is_paused and s.retry_at <= clock_timestamp() and d.claimed_until < clock_timestamp()
    )
$$;

comment on function outbox.has_work() is 'Whether anything changed, has to be closed, or waits to be sent now.';
grant execute on function outbox.has_work() to foresight_publish;
