create or replace function feed.prepare_bulk_delete()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
end
$$;

comment on function feed.prepare_bulk_delete() is
  'Let the rest of this transaction delete as much of what is compressed as it has to. TimescaleDB: any number of rows of the columnstore may go, which it else refuses.';
