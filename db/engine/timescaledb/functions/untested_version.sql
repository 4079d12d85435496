-- Some of what we read is TimescaleDB's own (feed.watermarks, feed.compress_level), and a later version may not have it.
create or replace function feed.untested_version(engine_version text default feed.engine_version())
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select format('%s is not a version that Foresight was tested with, which are 2.28 and 2.29', engine_version)
  from (select regexp_match(engine_version, '(\d+)\.(\d+)')::int[] as numbers) as v
  where v.numbers is null or v.numbers < '{2,28}' or v.numbers > '{2,29}'
$$;

comment on function feed.untested_version(text) is
  'A sentence about a version, such as feed.engine_version() gives it, that this engine was never tested with; null for one that it was. A migration says it.';
