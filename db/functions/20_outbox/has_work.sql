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
      select from outbox.subscriptions as s
      where not s.is_paused and s.retry_at <= clock_timestamp()
        and exists (
          select from outbox.deliveries as d
          where d.subscription_id = s.subscription_id
            and d.claimed_until < clock_timestamp() and d.due_at <= clock_timestamp()
        )
    )
    or exists (
      select from outbox.subscriptions as s
      where exists (select from outbox.catch_ups as c where c.subscription_id = s.subscription_id) and outbox.may_catch_up(s)
    )
$$;

comment on function outbox.has_work() is 'Whether anything changed, has to be closed, waits to be sent now, or is history to be queued.';
grant execute on function outbox.has_work() to foresight_publish;
