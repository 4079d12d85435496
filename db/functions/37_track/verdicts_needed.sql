create or replace function track.verdicts_needed()
returns int
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select 100
$$;

comment on function track.verdicts_needed() is 'How many directional verdicts there have to be, at least, for an interval to mean what it says.';
