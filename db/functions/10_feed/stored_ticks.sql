-- The bounds in time are constants to the planner, as in feed.recent_ticks; enable_seqscan is off because a plan made
-- while there were few ticks would read them all.
create or replace function feed.stored_ticks(instrument_ids int[], observed_ats timestamptz[])
returns setof feed.ticks
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  first_at timestamptz;
  last_at timestamptz;
begin
  select min(o.observed_at), max(o.observed_at) into first_at, last_at from unnest(observed_ats) as o(observed_at);
  return query
  select s.*
  from (select distinct k.instrument_id, k.observed_at from unnest(instrument_ids, observed_ats) as k(instrument_id, observed_at)) as k
  cross join lateral (
    select * from feed.ticks as f
    where f.instrument_id = k.instrument_id and f.observed_at = k.observed_at and f.observed_at between first_at and last_at
    offset 0
  ) as s;
end
$$;

comment on function feed.stored_ticks(int[], timestamptz[]) is
  'The stored ticks of some instruments at some times (UTC): element i of both arrays is one key without its seq, which may come twice and is asked once. In no order.';
