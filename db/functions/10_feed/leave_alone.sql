-- Beside its state: a stream that stands stays connected while the list of instruments is refused.
create or replace function feed.leave_alone(source text, alone_for interval)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update feed.source_states as s
  set alone_until = greatest(s.alone_until, now() + leave_alone.alone_for)
  where s.source = leave_alone.source
$$;

comment on function feed.leave_alone(text, interval) is
  'The provider of a source asked for something else than prices to be left alone for so long: a process that is started anew waits too.';
grant execute on function feed.leave_alone(text, interval) to foresight_ingest;
