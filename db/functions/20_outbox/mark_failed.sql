create or replace function outbox.mark_failed(subscription_id int, error text)
returns timestamptz
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  next_try timestamptz;
begin
  perform from outbox.deliveries as d
  where d.subscription_id = mark_failed.subscription_id and d.claimed_until > clock_timestamp()
  order by d.timeframe, d.instrument_id, d.side, d.bucket
  for update;
  update outbox.deliveries as d set claimed_until = '-infinity'
  where d.subscription_id = mark_failed.subscription_id and d.claimed_until > clock_timestamp();
  update outbox.subscriptions as s
  set failure_count = s.failure_count + 1,
    last_error = left(mark_failed.error, 500),
    retry_at = clock_timestamp() + least(interval '15 seconds', interval '0.25 seconds' * 2 ^ least(s.failure_count, 10))
  where s.subscription_id = mark_failed.subscription_id
  returning s.retry_at into next_try;
  return next_try;
end
$$;

comment on function outbox.mark_failed(int, text) is
  'A subscription''s queue could not be reached or refused: its deliveries wait, for 0.25 seconds doubling to 15, and others go on. Returns when it is tried again.';
grant execute on function outbox.mark_failed(int, text) to foresight_publish;
