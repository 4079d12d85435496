create or replace function feed.alone_for(source text)
returns interval
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.alone_until - now() from feed.source_states as s
  where s.source = alone_for.source and s.alone_until > now()
$$;

comment on function feed.alone_for(text) is
  'How long the provider of a source still wants to be left alone, as it told the process before; null: not any more. Its process asks when it starts.';
grant execute on function feed.alone_for(text) to foresight_ingest;
