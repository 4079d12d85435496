-- Each row is looked up by its key, here and wherever many rows of a table of work are meant: the planner
-- believes such a table to be empty, as it often is, and would compare each row with each, or read all
-- that vacuum has not cleared yet.
create or replace function outbox.finish_changes(marks outbox.changes[])
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  done int;
begin
  delete from outbox.changes as c
  where c.ctid = any (array(
    select same.ctid
    from unnest(marks) as m
    cross join lateral (
      select c.ctid
      from outbox.changes as c
      where c.instrument_id = m.instrument_id and c.minute = m.minute
        and c.generation = m.generation and c.revision = m.revision
      -- Whoever holds one is about to change it.
      for update skip locked
    ) as same
  ));
  get diagnostics done = row_count;
  return done;
end
$$;

comment on function outbox.finish_changes(outbox.changes[]) is
  'What these marks stand for is captured: remove those that did not change meanwhile. Returns how many.';
