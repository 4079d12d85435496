-- Bounds in time are constants to the planner, as in indicator.values_at.
create or replace function dashboard.chart(indicator_id int, from_time timestamptz default null, max_candles int default 300)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  definition indicator.definitions;
  width interval;
  newest timestamptz;
  candles jsonb;
  first_bucket timestamptz;
begin
  select d.* into definition from indicator.definitions as d where d.indicator_id = chart.indicator_id;
  if definition.indicator_id is null then
    return null;
  end if;
  width := feed.timeframe_width(definition.timeframe);
  select feed.bucket(width, k.observed_at) into newest
  from feed.newest_ticks as k where k.instrument_id = definition.instrument_id;

  select min(to_timestamp((c.value ->> 'time')::bigint)), jsonb_agg(c.value order by c.value -> 'time')
  into first_bucket, candles
  from dashboard.recent_candles(definition.instrument_id, definition.timeframe, definition.side,
    coalesce(from_time, newest - width * (max_candles - 1)), newest, max_candles) as c(value);

  return jsonb_build_object(
    'candles', coalesce(candles, '[]'),
    'outputs', (
      select jsonb_agg('{"thresholds": []}' || o.spec || jsonb_build_object('points', coalesce(p.points, '[]')) order by o.place)
      from indicator.kinds as k
      cross join jsonb_array_elements(k.outputs) with ordinality as o(spec, place)
      cross join lateral (
        select jsonb_agg(jsonb_build_object(
          'time', extract(epoch from v.bucket)::bigint, 'value', v.outputs[o.place]) order by v.bucket) as points
        from indicator.values as v
        where v.indicator_id = definition.indicator_id and v.bucket >= first_bucket and v.bucket <= newest
      ) as p
      where k.kind = definition.kind),
    'forecast', (
      select l.forecast || jsonb_build_object('time', extract(epoch from l.bucket)::bigint)
      from indicator.latest_of(array[definition.indicator_id]) as l),
    'verdicts', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'time', extract(epoch from v.bucket)::bigint, 'verdict', v.verdict) order by v.bucket), '[]')
      from indicator.values as v
      where v.indicator_id = definition.indicator_id and v.bucket >= first_bucket and v.bucket <= newest));
end
$$;

comment on function dashboard.chart(int, timestamptz, int) is
  'Candles, outputs as their kind declares them, and verdicts of an indicator for its chart, oldest first, times in epoch seconds (UTC): the last max_candles buckets, or those from from_time on. forecast: of the newest value, null when it has none.';
grant execute on function dashboard.chart(int, timestamptz, int) to foresight_web;
