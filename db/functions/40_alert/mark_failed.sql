create or replace function alert.mark_failed(
  delivery_id bigint, error text, http_status int default null, retry_after interval default '0'
)
returns timestamptz
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with failed as (
    update alert.deliveries as d
    set claimed_until = '-infinity', http_status = mark_failed.http_status, error = left(mark_failed.error, 500),
      next_try_at = clock_timestamp() + greatest(
        least(interval '10 minutes', interval '1 second' * 2 ^ least(d.attempts, 10)),
        least(interval '1 hour', mark_failed.retry_after)),
      gave_up_at = case when d.queued_at < clock_timestamp() - s.give_up_after then clock_timestamp() end
    from alert.settings as s
    where d.delivery_id = mark_failed.delivery_id and d.attempts > 0 and d.delivered_at is null and d.gave_up_at is null
    returning d.rule_id, d.next_try_at, d.gave_up_at, d.error, s.give_up_after
  ),
  -- Else the messages of a dead receiver would pile up: as each is tried, more come than are given up.
  left_behind as (
    update alert.deliveries as d set gave_up_at = f.gave_up_at, error = f.error
    from failed as f
    where f.gave_up_at is not null and d.rule_id = f.rule_id and d.delivery_id > mark_failed.delivery_id
      and d.delivered_at is null and d.gave_up_at is null and d.queued_at < clock_timestamp() - f.give_up_after
  )
  select case when f.gave_up_at is null then f.next_try_at end from failed as f
$$;

comment on function alert.mark_failed(bigint, text, int, interval) is
  'A message could not be delivered, error says why: it waits two seconds, doubling to ten minutes, or for as long as the receiver asked for (retry_after), at most an hour. One that is older than alert.settings allows is given up, and with it those of its rule that are so too. Returns when it is tried again (UTC); null: not at all.';
grant execute on function alert.mark_failed(bigint, text, int, interval) to foresight_publish;
