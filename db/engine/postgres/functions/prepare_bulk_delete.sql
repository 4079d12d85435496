create or replace function feed.prepare_bulk_delete()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Nothing to do: plain PostgreSQL compresses nothing.
end
$$;

comment on function feed.prepare_bulk_delete() is
  'Let the rest of this transaction delete as much of what is compressed as it has to. Plain PostgreSQL: nothing.';
