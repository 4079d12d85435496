create or replace function outbox.mark_refreshed(marks outbox.changes[])
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  done int;
begin
  update outbox.changes as c
  set refreshed_revision = c.revision
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

comment on function outbox.mark_refreshed(outbox.changes[]) is
  'The late ticks that these marks stand for are in the candles now: they may be captured, except where more came meanwhile. Returns how many.';
