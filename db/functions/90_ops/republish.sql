create or replace function ops.republish(name text, from_time timestamptz default '-infinity')
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select outbox.republish(name, from_time)
$$;

comment on function ops.republish(text, timestamptz) is
  'Send a subscription again every captured candle that ends after from_time (UTC); returns how many were queued. For a queue that lost its messages. Error NOSUB.';
