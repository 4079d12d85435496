create or replace function indicator.has_work()
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from indicator.pending as p where p.leased_until < clock_timestamp())
    or exists (select from indicator.backfills)
$$;

comment on function indicator.has_work() is 'Whether values wait to be computed now.';
grant execute on function indicator.has_work() to foresight_indicators;
