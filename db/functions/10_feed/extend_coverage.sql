create or replace function feed.extend_coverage(source text, covered_from timestamptz, covered_to timestamptz)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  with extended as (
    update feed.source_states as s set alive_at = greatest(s.alive_at, covered_to)
    where s.source = extend_coverage.source
  )
  insert into feed.coverage as c (source, covered_from, covered_to)
  values (source, covered_from, covered_to)
  on conflict on constraint coverage_pkey do update
    set covered_to = greatest(c.covered_to, excluded.covered_to)
$$;

comment on function feed.extend_coverage(text, timestamptz, timestamptz) is
  'We listened to a source from covered_from (which names the connection) until covered_to, UTC. Called again with a later end while the connection stands.';
grant execute on function feed.extend_coverage(text, timestamptz, timestamptz) to foresight_ingest;
