-- A chunk of these holds seven days: they have few rows beside the ticks, and are asked for by their owner's id.
create or replace function feed.prepare_levels()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  level record;
begin
  for level in
    select s.relation::regclass as relation, s.time_column, k.key_columns
    from feed.storage as s
    cross join lateral (
      select array_agg(quote_ident(a.attname) order by c.place) as key_columns
      from pg_index as i
      cross join lateral unnest(i.indkey) with ordinality as c(number, place)
      join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = c.number
      where i.indrelid = s.relation::regclass and i.indisprimary
    ) as k
    where s.timeframe is null and not exists (
      select from timescaledb_information.hypertables as h
      where to_regclass(format('%I.%I', h.hypertable_schema, h.hypertable_name)) = s.relation::regclass
    )
  loop
    perform public.create_hypertable(
      level.relation, public.by_range(level.time_column, interval '7 days'),
      create_default_indexes => false, migrate_data => true);
    execute format(
      'alter table %s set (timescaledb.enable_columnstore, timescaledb.segmentby = %L, timescaledb.orderby = %L)',
      level.relation, level.key_columns[1], array_to_string(level.key_columns[2:], ', '));
  end loop;
end
$$;

comment on function feed.prepare_levels() is
  'Make the tables of feed.storage ready to be compressed and dropped, as every deploy does. TimescaleDB: each that is none yet becomes a hypertable, compressed by the first column of its primary key and ordered by the others.';
