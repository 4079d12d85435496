create or replace function feed.replayed_until(fingerprint text, symbol text)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((
    select r.line from feed.replays as r
    where r.fingerprint = replayed_until.fingerprint and r.symbol = replayed_until.symbol and not r.is_finished
  ), 0)
$$;

comment on function feed.replayed_until(text, text) is
  'The last line that an interrupted replay of this file has stored; 0 when there is none, or it came to its end.';
grant execute on function feed.replayed_until(text, text) to foresight_ingest;
