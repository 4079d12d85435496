create or replace function alert.mark_delivered(delivery_id bigint, http_status int default null)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update alert.deliveries as d
  set delivered_at = clock_timestamp(), gave_up_at = null, claimed_until = '-infinity', http_status = mark_delivered.http_status, error = null
  where d.delivery_id = mark_delivered.delivery_id and d.attempts > 0 and d.delivered_at is null
$$;

comment on function alert.mark_delivered(bigint, int) is
  'A message was delivered; http_status: what a webhook answered.';
grant execute on function alert.mark_delivered(bigint, int) to foresight_publish;
