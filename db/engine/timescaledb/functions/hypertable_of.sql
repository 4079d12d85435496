create or replace function feed.hypertable_of(relation regclass)
returns regclass
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select to_regclass(format('%I.%I', a.materialization_hypertable_schema, a.materialization_hypertable_name))
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      join timescaledb_information.continuous_aggregates as a on a.view_schema = n.nspname and a.view_name = c.relname
      where c.oid = relation
    ),
    relation)
$$;

comment on function feed.hypertable_of(regclass) is
  'The hypertable that holds a relation''s rows: of a continuous aggregate the one of its stored candles, else the relation itself.';
