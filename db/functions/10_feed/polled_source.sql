create or replace function feed.polled_source(source text)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(p) - '{poll_every,outcome,told_at}'::text[] || jsonb_build_object(
    'poll_every_ms', (extract(epoch from p.poll_every) * 1000)::bigint,
    'description', s.description)
  from feed.polled_sources as p join feed.sources as s using (source)
  where p.source = polled_source.source
$$;

comment on function feed.polled_source(text) is
  'How a source is polled, as feed.polled_sources says it and with its status, and poll_every in milliseconds; null when there is no such row. Its process asks every two seconds.';
grant execute on function feed.polled_source(text) to foresight_ingest;
