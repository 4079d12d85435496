create or replace function feed.polled_source(source text)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select to_jsonb(p) - '{poll_every,outcome,told_at}'::text[] || jsonb_build_object(
    'poll_every_ms', (extract(epoch from p.poll_every) * 1000)::bigint,
    'description', s.description,
    'negative_symbols', array(
      select i.symbol from feed.instruments as i where i.source = p.source and i.allows_negative order by i.symbol))
  from feed.polled_sources as p join feed.sources as s using (source)
  where p.source = polled_source.source
$$;

comment on function feed.polled_source(text) is
  'How a source is polled, as feed.polled_sources says it and with its status, poll_every in milliseconds, and negative_symbols, its instruments that allow prices of zero and below; null when there is no such row. Its process asks every two seconds.';
grant execute on function feed.polled_source(text) to foresight_ingest;
