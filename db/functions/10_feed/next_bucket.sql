-- A continuous aggregate must be read with bounds in time, so where the ticks are gone the candles are
-- looked through in ever longer pieces.
create or replace function feed.next_bucket(instrument_id int, timeframe text, from_bucket timestamptz)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  width interval := feed.timeframe_width(next_bucket.timeframe);
  dropped_to timestamptz := (select s.dropped_to from feed.storage as s where s.level = 'ticks');
  ends feed.newest_ticks := (select k from feed.newest_ticks as k where k.instrument_id = next_bucket.instrument_id);
  start_at timestamptz := from_bucket;
  end_at timestamptz;
  span interval := width * 1000;
  found_at timestamptz;
begin
  if start_at < dropped_to then
    start_at := greatest(start_at, feed.history_start(next_bucket.instrument_id, next_bucket.timeframe));
    while start_at < dropped_to loop
      end_at := least(start_at + span, dropped_to);
      select c.bucket into found_at
      from feed.read_candles(next_bucket.timeframe, array[next_bucket.instrument_id], array['bid', 'ask', 'mid', 'last'],
        start_at, end_at, max_candles => 1) as c;
      if found then
        return found_at;
      end if;
      start_at := end_at;
      span := span * 8;
    end loop;
  end if;
  -- As in feed.recent_ticks.
  start_at := greatest(start_at, ends.first_observed_at);
  while start_at <= ends.observed_at loop
    end_at := start_at + span;
    select feed.bucket(width, t.observed_at) into found_at
    from feed.ticks as t
    where t.instrument_id = next_bucket.instrument_id and t.observed_at >= start_at and t.observed_at < end_at
    order by t.observed_at limit 1;
    if found then
      return found_at;
    end if;
    start_at := end_at;
    span := span * 8;
  end loop;
  return null;
end
$$;

comment on function feed.next_bucket(int, text, timestamptz) is
  'The first bucket (UTC) of an instrument from from_bucket on that has a candle; null when there is none. Error NOTFR.';
