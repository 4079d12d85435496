create or replace function feed.followed(source text)
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select i.symbol from feed.instruments as i
  where i.source = followed.source and (i.is_active or i.shown_at is null)
  order by i.symbol
$$;

comment on function feed.followed(text) is
  'The symbols that a source''s process is to follow now: its active instruments, and those that are shown when their history is there. Asked with each heartbeat of that process, every two seconds.';
grant execute on function feed.followed(text) to foresight_ingest;
