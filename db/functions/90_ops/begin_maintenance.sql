create or replace function ops.begin_maintenance()
returns bigint
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update ops.maintenance as m set begun_at = now(), is_unfinished = true
  where not (m.begun_at between now() - interval '1 minute' and now())
  returning ops.drawn_revisions()
$$;

comment on function ops.begin_maintenance() is
  'Begin a run; returns what ops.end_maintenance wants of it, or null when one was begun less than a minute ago, by whomever.';
grant execute on function ops.begin_maintenance() to foresight_upkeep;
