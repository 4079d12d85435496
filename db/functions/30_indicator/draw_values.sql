-- One draw of a service at a time, and none before its time, however many processes it has: who updates its row first
-- draws. Half of what is drawn are among the newest values, the others anywhere in time, by the key: to draw among all
-- rows, all would be read.
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
    select d.indicator_id from indicator.definitions as d join indicator.kinds as k using (kind) where k.service = draw_values.service);
  return query
  with again as materialized (
    select f.indicator_id, f.bucket
    from indicator.differences as f
    join indicator.definitions as d using (indicator_id)
    join indicator.kinds as k using (kind)
    join indicator.values as v
      on v.indicator_id = f.indicator_id and v.bucket = f.bucket and v.revision = f.revision and v.computed_at = f.stored_at
    where k.service = draw_values.service and f.confirmed_at is null and f.looked_at <= clock_timestamp() - again_after
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
    select c.indicator_id, coalesce(recent.bucket, any_time.bucket)
    from chosen as c
    cross join lateral (
      select
        (select n.bucket from indicator.values as n where n.indicator_id = c.indicator_id order by n.bucket limit 1) as oldest,
        (select n.bucket from indicator.values as n where n.indicator_id = c.indicator_id order by n.bucket desc limit 1) as newest
    ) as e
    left join lateral (
      select n.bucket
      from indicator.values as n
      where c.turn < 0.5 and n.indicator_id = c.indicator_id
      order by n.bucket desc
      offset floor(100 * c.place)::int limit 1
    ) as recent on true
    left join lateral (
      select n.bucket
      from indicator.values as n
      where recent.bucket is null and n.indicator_id = c.indicator_id and n.bucket >= e.oldest + (e.newest - e.oldest) * c.place
      order by n.bucket
      limit 1
    ) as any_time on true
  )
  select d.indicator_id, d.instrument_id, d.timeframe, d.side, d.kind, d.params, d.bars_required, d.bars_window,
    v.bucket, v.revision, v.computed_at
  from drawn as w
  join indicator.definitions as d using (indicator_id)
  join indicator.values as v on v.indicator_id = w.indicator_id and v.bucket = w.bucket;
end
$$;

comment on function indicator.draw_values(text, int, interval, interval) is
  'Draw up to max_values (1000 at most) stored values of a service at random, to be computed again from the same window and handed to indicator.compare_values: first those that differed once, again_after later. At most once per every, of all its processes together; no row before. bucket and computed_at in UTC. Error NOSVC.';
grant execute on function indicator.draw_values(text, int, interval, interval) to foresight_indicators, foresight_service;
