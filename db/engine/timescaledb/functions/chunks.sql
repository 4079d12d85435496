create or replace function feed.chunks(relation regclass)
returns table (chunk regclass, range_start timestamptz, range_end timestamptz)
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select to_regclass(format('%I.%I', c.chunk_schema, c.chunk_name)), c.range_start, c.range_end
  from pg_class as h
  join pg_namespace as n on n.oid = h.relnamespace
  join timescaledb_information.chunks as c on c.hypertable_schema = n.nspname and c.hypertable_name = h.relname
  where h.oid = (select feed.hypertable_of(relation))
$$;

comment on function feed.chunks(regclass) is
  'The chunks of a hypertable or of a continuous aggregate, and from when to when (UTC) each reaches.';
