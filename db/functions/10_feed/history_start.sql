-- In PL/pgSQL, which keeps its plan, as what it calls.
create or replace function feed.history_start(instrument_id int, timeframe text)
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  first_at timestamptz := feed.first_observed_at(history_start.instrument_id);
begin
  if first_at is null then
    return null;
  end if;
  return (
    select greatest(s.floor_at, feed.bucket(t.width, first_at))
    from feed.timeframes as t
    join feed.storage as s on s.level = t.timeframe
    where t.timeframe = history_start.timeframe
  );
end
$$;

comment on function feed.history_start(int, text) is
  'The first bucket (UTC) of an instrument that there is or may be: that of its first tick ever, or what was kept of the timeframe. Null when it never had a tick.';
