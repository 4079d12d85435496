-- Before the functions of every deploy. A dump that comes back without timescaledb_pre_restore() loses rows of chunks and
-- every constraint of a hypertable, with errors that are easily overlooked; the functions would be made all the same.
do $$
declare
  fault text;
begin
  if not exists (select from pg_extension where extname = 'timescaledb') then
    fault := 'the extension timescaledb is not in it';
  elsif current_setting('timescaledb.restoring', true) = 'on' then
    raise exception 'this database is being restored' using errcode = 'RSTOR',
      hint = 'When pg_restore is done: select timescaledb_post_restore();';
  elsif not exists (
    select from timescaledb_information.hypertables as h where h.hypertable_schema = 'feed' and h.hypertable_name = 'ticks'
  ) then
    fault := 'the ticks are in no hypertable';
  else
    select format('%I.%I has no primary key', h.hypertable_schema, h.hypertable_name) into fault
    from timescaledb_information.hypertables as h
    where h.hypertable_schema in ('feed', 'indicator') and not exists (
      select from pg_constraint as c
      where c.conrelid = format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass and c.contype = 'p'
    )
    order by 1 limit 1;
  end if;
  if fault is not null then
    raise exception 'this database was not restored whole: %', fault using errcode = 'RSTOR',
      hint = 'Restore the dump anew, as db/README.md says.';
  end if;
end
$$;
