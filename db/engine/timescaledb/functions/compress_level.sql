-- A chunk a transaction. One that late ticks came into is partly uncompressed, and is compressed again.
create or replace procedure feed.compress_level(level text, before_time timestamptz)
language plpgsql
as $$
declare
  hypertable regclass;
  is_enabled boolean;
  chunk regclass;
begin
  if level = 'ticks' then
    hypertable := 'feed.ticks'::regclass;
  else
    select format('%I.%I', a.materialization_hypertable_schema, a.materialization_hypertable_name)::regclass, a.compression_enabled
    into hypertable, is_enabled
    from timescaledb_information.continuous_aggregates as a
    where a.view_schema = 'feed' and a.view_name = 'candles_' || level;
    if not is_enabled then
      execute format('alter materialized view feed.%I set (timescaledb.enable_columnstore,
        timescaledb.segmentby = ''instrument_id'', timescaledb.orderby = ''bucket'')', 'candles_' || level);
      commit;
    end if;
  end if;
  for chunk in
    select format('%I.%I', c.chunk_schema, c.chunk_name)::regclass
    from timescaledb_information.chunks as c
    join _timescaledb_catalog.chunk as k on k.schema_name = c.chunk_schema and k.table_name = c.chunk_name
    where format('%I.%I', c.hypertable_schema, c.hypertable_name)::regclass = hypertable
      and c.range_end <= before_time
      -- Bits of the status: 1 compressed, 2 unordered, 8 partly compressed.
      and (k.status & 1 = 0 or k.status & 10 > 0)
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
  'Compress the ticks (level ticks) or the candles of a timeframe in chunks that end before a time (UTC). TimescaleDB: into its columnstore. Error 55P03: somebody else is busy with such a chunk; try again later.';
