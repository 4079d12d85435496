create or replace function ops.newer_migration(known text[])
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select m.name from migration.migrations as m where m.name <> all (known) order by m.name limit 1
$$;

comment on function ops.newer_migration(text[]) is
  'The first migration of this database that a program does not know, of the names that it knows; null: none. Such a program is older than the database, and must not work on it.';
grant execute on function ops.newer_migration(text[])
  to foresight_ingest, foresight_upkeep, foresight_publish, foresight_indicators, foresight_web;
