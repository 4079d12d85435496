create or replace function feed.give_up_gap(gap_id bigint, fault text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update feed.gaps as g set closed_at = clock_timestamp(), grade = 'impossible', last_fault = left(give_up_gap.fault, 500)
  where g.gap_id = give_up_gap.gap_id and g.closed_at is null
$$;

comment on function feed.give_up_gap(bigint, text) is
  'Close a gap as impossible to repair, with the reason: what is missing of it stays a gap.';
grant execute on function feed.give_up_gap(bigint, text) to foresight_ingest;
