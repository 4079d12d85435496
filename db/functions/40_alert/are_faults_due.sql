create or replace function alert.are_faults_due()
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from alert.rules as r
    where r.kind = 'fault' and not r.is_paused and r.seen_at <= clock_timestamp() - interval '5 seconds'
  )
$$;

comment on function alert.are_faults_due() is 'Whether a rule on faults has not looked for five seconds.';
