-- Under the capture's lock, so that revisions rise and no two note at once.
create or replace function outbox.note_capture(deltas outbox.delta[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  at timestamptz;
begin
  update outbox.captured as c
  set revision = greatest(c.revision, (select max(d.revision) from unnest(deltas) as d)),
    captured_at = greatest(c.captured_at, clock_timestamp())
  returning c.captured_at into at;
  insert into outbox.late_changes as old (instrument_id, timeframe, side, revision)
  select d.instrument_id, d.timeframe, d.side, max(d.revision)
  from unnest(deltas) as d
  join feed.timeframes as t using (timeframe)
  where d.bucket < at - outbox.long_over(t.width)
  group by d.instrument_id, d.timeframe, d.side
  on conflict (instrument_id, timeframe, side) do update set revision = excluded.revision;
end
$$;

comment on function outbox.note_capture(outbox.delta[]) is
  'Say in outbox.captured that these were captured now, and in outbox.late_changes which of their series changed long ago.';
