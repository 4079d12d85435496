-- Its bounds in time are constants to the planner, as in feed.recent_ticks.
create or replace function dashboard.ticks(symbol text, from_time timestamptz, to_time timestamptz, max_ticks int default 1000)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'observed_at', t.observed_at, 'seq', case when t.seq >= 0 then t.seq::text end, 'bid', t.bid, 'ask', t.ask, 'last', t.last, 'size', t.size,
      'received_at', t.received_at, 'origin', t.origin) order by t.observed_at, t.seq), '[]')
    from (
      select t.* from feed.ticks as t join feed.instruments as i using (instrument_id)
      where i.symbol = ticks.symbol and t.observed_at >= from_time and t.observed_at < to_time
      order by t.observed_at, t.seq
      limit greatest(least(max_ticks, 10000), 0)
    ) as t
  );
end
$$;

comment on function dashboard.ticks(text, timestamptz, timestamptz, int) is
  'The ticks of a symbol observed in [from_time, to_time) (UTC) as a JSON array, oldest first, at most max_ticks. seq is text, as an id may be larger than a number of JSON, and null for a tick that came without one; origin says how we have it, see feed.tick_origin.';
grant execute on function dashboard.ticks(text, timestamptz, timestamptz, int) to foresight_web;
