-- As in feed.recent_ticks, its bounds are constants to the planner.
create or replace function feed.first_received_at(
  instrument_id int, side text, from_time timestamptz, to_time timestamptz, received_after timestamptz
)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
  return (
    select t.received_at
    from feed.ticks as t
    where t.instrument_id = first_received_at.instrument_id and t.observed_at >= from_time and t.observed_at < to_time
      and t.received_at > received_after
      and case side when 'bid' then t.bid when 'ask' then t.ask when 'mid' then t.bid + t.ask else t.last end is not null
    order by t.observed_at
    limit 1
  );
end
$$;

comment on function feed.first_received_at(int, text, timestamptz, timestamptz, timestamptz) is
  'When the first tick with a price of a side came in after a time, of those observed in [from_time, to_time); all UTC, null when there is none. side: bid, ask, mid or last.';
-- For those who read ops.services and ops.lag.
grant execute on function feed.first_received_at(int, text, timestamptz, timestamptz, timestamptz) to foresight_publish, foresight_web;
