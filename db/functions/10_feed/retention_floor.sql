create or replace function feed.retention_floor()
returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.floor_at from feed.storage as s where s.level = 'ticks'
$$;

comment on function feed.retention_floor() is
  'Ticks observed before this time (UTC) are refused: they were given up, and their candles are final.';
