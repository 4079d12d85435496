-- A chunk a transaction. One that late ticks came into is partly uncompressed, and is compressed again.
create or replace procedure feed.compress_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  relation regclass := (select s.relation::regclass from feed.storage as s where s.level = compress_level.level);
  chunk regclass;
begin
  if exists (
    select from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    join timescaledb_information.continuous_aggregates as a on a.view_schema = n.nspname and a.view_name = c.relname
    where c.oid = relation and not a.compression_enabled
  ) then
    execute format('alter materialized view %s set (timescaledb.enable_columnstore,
      timescaledb.segmentby = ''instrument_id'', timescaledb.orderby = ''bucket'')', relation);
    commit;
  end if;
  for chunk in
    select c.chunk
    from feed.chunks(relation) as c
    cross join lateral (select _timescaledb_functions.chunk_status(c.chunk) as bits) as status
    where c.range_end <= before_time
      -- Bits: 1 compressed, 2 unordered, 8 partly compressed.
      and (status.bits & 1 = 0 or status.bits & 10 > 0)
    order by c.range_start
  loop
    -- Who waits for a lock holds up all that come after: others insert late ticks.
    perform set_config('lock_timeout', '3s', true);
    perform public.compress_chunk(chunk, if_not_compressed => true);
    commit;
  end loop;
end
$$;

comment on procedure feed.compress_level(text, timestamptz) is
  'Compress what is older than a time (UTC) of a level of feed.storage. TimescaleDB: chunks that end before it, into its columnstore. Error 55P03: somebody else is busy with such a chunk; try again later.';
