create or replace function outbox.is_refresh_due()
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from outbox.changes as c
    where c.changed_from < (select feed.refresh_horizon()) and c.refreshed_revision <> c.revision
  )
$$;

comment on function outbox.is_refresh_due() is 'Whether late ticks wait for outbox.refresh_late.';
