-- From the chunks themselves, as a continuous aggregate takes no DELETE: of the columnstore whole segments go, since
-- they are an instrument's each.
create or replace procedure feed.forget_level(level text, instrument_id int)
language plpgsql
as $$
declare
  relation regclass := (select s.relation::regclass from feed.storage as s where s.level = forget_level.level);
  chunks regclass[] := (select array_agg(c.chunk order by c.range_start) from feed.chunks(relation) as c);
  chunk regclass;
begin
  foreach chunk in array coalesce(chunks, '{}') loop
    -- One that was dropped meanwhile has nothing left.
    continue when not exists (select from pg_class as c where c.oid = chunk);
    -- Who waits for a lock holds up all that come after.
    perform set_config('lock_timeout', '3s', true);
    execute format('delete from %s as d where d.instrument_id = $1', chunk) using forget_level.instrument_id;
    commit;
  end loop;
end
$$;

comment on procedure feed.forget_level(text, int) is
  'Delete all that a level of feed.storage, ticks or candles, has of an instrument that is in feed.removals. TimescaleDB: a chunk a transaction. Error 55P03: somebody is busy with a chunk; try again later.';
