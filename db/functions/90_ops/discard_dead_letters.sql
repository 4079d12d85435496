create or replace function ops.discard_dead_letters(subscription text default null, before_time timestamptz default 'infinity')
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  discarded int;
  of_services int;
begin
  delete from outbox.dead_letters as l
  where (discard_dead_letters.subscription is null or l.subscription = discard_dead_letters.subscription)
    and l.failed_at < before_time;
  get diagnostics discarded = row_count;
  delete from indicator.dead_letters as l
  where (discard_dead_letters.subscription is null
      or indicator.subscription_of(l.service) = discard_dead_letters.subscription)
    and l.failed_at < before_time;
  get diagnostics of_services = row_count;
  return discarded + of_services;
end
$$;

comment on function ops.discard_dead_letters(text, timestamptz) is
  'Remove dead letters that failed before a time (UTC) for good, of one subscription, with those of its service, or (null) of all; returns how many. The candles stay.';
