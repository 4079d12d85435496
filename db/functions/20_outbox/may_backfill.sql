create or replace function outbox.may_backfill(subscription outbox.subscriptions)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select not subscription.is_paused and subscription.retry_at <= clock_timestamp() and (
    select count(*) < 2000
    from (select from outbox.deliveries as d where d.subscription_id = subscription.subscription_id limit 2000) as waiting
  )
$$;

comment on function outbox.may_backfill(outbox.subscriptions) is
  'Whether a subscription takes more of its history now: it is sent to, and fewer than 2,000 candles wait for it.';
