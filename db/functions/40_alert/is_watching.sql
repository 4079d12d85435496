create or replace function alert.is_watching()
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from indicator.watched)
$$;

comment on function alert.is_watching() is 'Whether a rule looks at values of indicators.';
grant execute on function alert.is_watching() to foresight_publish;
