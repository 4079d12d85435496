-- One draw of a service at a time, and none before its time, however many processes it has: who updates its row first
-- draws. Half of what is drawn are among the newest values, the others anywhere in time, by the key: to draw among all
-- rows, all would be read. What has values lies between the first tick and the newest value.
create or replace function indicator.draw_values(
  service text, max_values int default 8, every interval default '10 seconds', again_after interval default '20 seconds'
)
returns table (
  indicator_id int, instrument_id int, timeframe text, side text, kind text, params jsonb, bars_required int, bars_window int,
  bucket timestamptz, revision bigint, computed_at timestamptz
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
  all_ids int[];
begin
  update indicator.services as s set checked_at = clock_timestamp()
  where s.service = draw_values.service and s.checked_at <= clock_timestamp() - draw_values.every;
  if not found then
    perform indicator.checked_service(draw_values.service);
    return;
  end if;
  all_ids := array(
    select d.indicator_id from indicator.definitions as d where d.service = draw_values.service);
  return query
  with again as materialized (
    select f.indicator_id, f.bucket
    from (
      select array_agg(f.indicator_id) as indicator_ids, array_agg(f.bucket) as buckets
      from indicator.differences as f
      join indicator.definitions as d using (indicator_id)
      join indicator.kinds as k using (kind)
      where k.service = draw_values.service and f.confirmed_at is null and f.looked_at <= clock_timestamp() - again_after
    ) as told
    cross join lateral indicator.values_at(told.indicator_ids, told.buckets) as v
    join indicator.differences as f
      on f.indicator_id = v.indicator_id and f.bucket = v.bucket and f.revision = v.revision and f.stored_at = v.computed_at
    order by f.looked_at
    limit least(max_values, 1000) / 2
  ),
  chosen as materialized (
    select all_ids[1 + floor(random() * cardinality(all_ids))::int] as indicator_id, random() as turn, random() as place
    from generate_series(1, least(max_values, 1000) - (select count(*) from again)::int)
  ),
  drawn as materialized (
    select a.indicator_id, a.bucket from again as a
    union
    select c.indicator_id, indicator.next_value(c.indicator_id, s.start_at - t.width + (e.newest - s.start_at + t.width) * c.place)
    from chosen as c
    join indicator.definitions as d using (indicator_id)
    join feed.timeframes as t using (timeframe)
    cross join lateral (select max(n.bucket) as newest from indicator.value_ends as n where n.indicator_id = c.indicator_id) as e
    cross join lateral (
      select greatest(
        indicator.values_from(d.timeframe), feed.bucket(t.width, coalesce(feed.first_observed_at(d.instrument_id), e.newest)),
        case when c.turn < 0.5 then e.newest - 99 * t.width end) as start_at
    ) as s
  )
  select d.indicator_id, d.instrument_id, d.timeframe, d.side, d.kind, d.params, d.bars_required, d.bars_window,
    v.bucket, v.revision, v.computed_at
  from (select array_agg(w.indicator_id) as indicator_ids, array_agg(w.bucket) as buckets from drawn as w) as w
  cross join lateral indicator.values_at(w.indicator_ids, w.buckets) as v
  join indicator.definitions as d on d.indicator_id = v.indicator_id;
end
$$;

comment on function indicator.draw_values(text, int, interval, interval) is
  'Draw up to max_values (1000 at most) stored values of a service at random, to be computed again from the same window and handed to indicator.compare_values: first those that differed once, again_after later. At most once per every, of all its processes together; no row before. bucket and computed_at in UTC. Error NOSVC.';
grant execute on function indicator.draw_values(text, int, interval, interval) to foresight_indicators, foresight_service;
