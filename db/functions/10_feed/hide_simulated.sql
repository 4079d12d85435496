create or replace function feed.hide_simulated()
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  with hidden as (
    update feed.instruments as i set is_active = false
    from feed.sources as s
    where s.source = i.source and s.is_simulated and i.is_active
    returning 1
  )
  select count(*)::int from hidden
$$;

comment on function feed.hide_simulated() is
  'Hide the instruments of all simulated sources; returns how many were shown. Their history stays.';
grant execute on function feed.hide_simulated() to foresight_ingest;
