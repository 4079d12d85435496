create or replace function feed.release_gap(gap_id bigint, fault text default null)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update feed.gaps as g set
    last_fault = left(release_gap.fault, 500),
    next_try_at = clock_timestamp() + case
      when release_gap.fault is null then interval '0'
      else least(interval '1 hour', interval '5 seconds' * 2 ^ least(g.tries, 12)) * (0.75 + random() / 2) end
  where g.gap_id = release_gap.gap_id and g.closed_at is null
$$;

comment on function feed.release_gap(bigint, text) is
  'Stop repairing a claimed gap for now: without a fault it may be claimed again at once, after one later each time, up to an hour.';
grant execute on function feed.release_gap(bigint, text) to foresight_ingest;
