create or replace function feed.record_replay(
  fingerprint text, symbol text, file_name text, line bigint, is_finished boolean
)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into feed.replays as r (fingerprint, symbol, file_name, line, is_finished)
  values (fingerprint, symbol, file_name, line, is_finished)
  on conflict on constraint replays_pkey do update set
    file_name = excluded.file_name, line = excluded.line,
    is_finished = excluded.is_finished, updated_at = now()
$$;

comment on function feed.record_replay(text, text, text, bigint, boolean) is
  'A replay has stored a file''s lines up to this one.';
grant execute on function feed.record_replay(text, text, text, bigint, boolean) to foresight_ingest;
