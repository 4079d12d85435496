-- Without a bound in time every chunk of all history is opened, to find the last few ticks: so it looks back in
-- ever longer pieces from where there are some. Only a plan of its own for each has its bounds as constants.
create or replace function feed.recent_ticks(instrument_id int, max_ticks int, until_time timestamptz default null)
returns setof feed.ticks
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  ends feed.newest_ticks := (select k from feed.newest_ticks as k where k.instrument_id = recent_ticks.instrument_id);
  until_at timestamptz := least(ends.observed_at, until_time);
  from_at timestamptz := until_at;
  span interval := '1 minute';
begin
  while from_at >= ends.first_observed_at loop
    from_at := until_at - span;
    if (
      select count(*) from (
        select from feed.ticks as t
        where t.instrument_id = recent_ticks.instrument_id and t.observed_at >= from_at and t.observed_at <= until_at
        limit max_ticks
      ) as t
    ) = max_ticks then
      exit;
    end if;
    span := span * 8;
  end loop;
  return query
  select t.* from feed.ticks as t
  where t.instrument_id = recent_ticks.instrument_id and t.observed_at >= from_at and t.observed_at <= until_at
  order by t.observed_at desc, t.seq desc
  limit max_ticks;
end
$$;

comment on function feed.recent_ticks(int, int, timestamptz) is
  'The newest max_ticks ticks of an instrument, of those observed at until_time (UTC) or before where it is given, newest first. What was dropped is not among them.';
