create or replace function feed.untested_version(engine_version text default feed.engine_version())
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s is not a version that Foresight knows, which are 15 to 18', engine_version)
  from (select substring(engine_version from '\d+')::int as number) as v
  where v.number is null or v.number not between 15 and 18
$$;

comment on function feed.untested_version(text) is
  'A sentence about a version, such as feed.engine_version() gives it, that is too old or too new for this engine; null for any other. A migration says it.';
