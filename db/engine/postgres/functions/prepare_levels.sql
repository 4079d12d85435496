create or replace function feed.prepare_levels()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Nothing to do: plain PostgreSQL drops rows.
end
$$;

comment on function feed.prepare_levels() is
  'Make the tables of feed.storage ready to be compressed and dropped, as every deploy does. Plain PostgreSQL: nothing.';
