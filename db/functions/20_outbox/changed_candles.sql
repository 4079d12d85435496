-- What is live is read with one statement for all timeframes. What is older, and near in time, is read together a
-- timeframe at a time, as each of these reads has one range of time, and planning it takes longer than reading an hour
-- more of a few instruments.
create or replace function outbox.changed_candles(marks outbox.changes[])
returns setof outbox.candles
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  live_since timestamptz := feed.bucket('1 minute', clock_timestamp()) - interval '1 minute';
  live outbox.changes[];
  older outbox.changes[];
  piece record;
begin
  select array_agg(m) filter (where m.changed_from >= live_since), array_agg(m) filter (where m.changed_from < live_since)
  into live, older from unnest(marks) as m;
  if live is not null then
    return query
    with wanted as materialized (
      select i.instrument_id, t.timeframe, t.width, f.side, s.grace, bool_or(f.with_spread) as with_spread,
        feed.bucket(t.width, m.changed_from) as from_bucket, feed.bucket(t.width, m.changed_to) as to_bucket
      from (
        select m.instrument_id, min(m.changed_from) as changed_from, max(m.changed_to) as changed_to
        from unnest(live) as m group by m.instrument_id
      ) as m
      join feed.instruments as i using (instrument_id)
      join feed.sources as s using (source)
      join outbox.filters as f on f.instrument_id is null or f.instrument_id = i.instrument_id
      join feed.timeframes as t on f.timeframe is null or t.timeframe = f.timeframe
      group by i.instrument_id, t.timeframe, t.width, f.side, s.grace, m.changed_from, m.changed_to
    )
    select c.instrument_id, c.timeframe, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count,
      case when w.with_spread then c.spread end, c.bucket + w.width + w.grace, null::boolean, null::bigint, null::timestamptz, false
    from (
      select array_agg(distinct w.timeframe) as timeframes, array_agg(distinct w.instrument_id) as instrument_ids,
        array_agg(distinct w.side) as sides, bool_or(w.with_spread) as with_spread
      from wanted as w
    ) as a
    cross join lateral feed.newest_candles(a.timeframes, a.instrument_ids, a.sides,
      (select min(m.changed_from) from unnest(live) as m), a.with_spread) as c
    join wanted as w using (instrument_id, timeframe, side)
    where c.bucket >= w.from_bucket and c.bucket <= w.to_bucket;
  end if;
  if older is null then
    return;
  end if;
  for piece in
    with wanted as (
      select t.timeframe, t.width, array_agg(distinct f.side) as sides, bool_or(f.with_spread) as with_spread,
        greatest(t.width * 60, interval '1 hour') as gap
      from feed.timeframes as t
      join outbox.filters as f on f.timeframe is null or f.timeframe = t.timeframe
      where f.instrument_id is null or f.instrument_id in (select m.instrument_id from unnest(older) as m)
      group by t.timeframe, t.width
    )
    select w.timeframe, w.width, w.sides, w.with_spread, lower(r.range) as from_bucket, upper(r.range) - w.gap as to_bucket,
      array_agg(distinct m.instrument_id) as instrument_ids
    from wanted as w
    cross join lateral unnest((
      select range_agg(tstzrange(
        feed.bucket(w.width, m.changed_from), feed.bucket(w.width, m.changed_to) + w.width + w.gap))
      from unnest(older) as m
    )) as r(range)
    join unnest(older) as m on m.changed_from <@ r.range
    group by w.timeframe, w.width, w.sides, w.with_spread, w.gap, r.range
    order by w.width
  loop
    return query
    with touched as (
      -- Buckets side by side become one range, so that a bulk load has few of them.
      select m.instrument_id, unnest(range_agg(tstzrange(
        feed.bucket(piece.width, m.changed_from), feed.bucket(piece.width, m.changed_to) + piece.width))) as range
      from unnest(older) as m
      where m.changed_from >= piece.from_bucket and m.changed_from < piece.to_bucket
      group by m.instrument_id
    ),
    wanted as (
      select i.instrument_id, f.side, s.grace, bool_or(f.with_spread) as with_spread
      from feed.instruments as i
      join feed.sources as s using (source)
      join outbox.filters as f
        on (f.timeframe is null or f.timeframe = piece.timeframe) and (f.instrument_id is null or f.instrument_id = i.instrument_id)
      where i.instrument_id = any (piece.instrument_ids)
      group by i.instrument_id, f.side, s.grace
    )
    select c.instrument_id, piece.timeframe, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count,
      case when w.with_spread then c.spread end, c.bucket + piece.width + w.grace, null::boolean, null::bigint, null::timestamptz, false
    from feed.read_candles(piece.timeframe, piece.instrument_ids, piece.sides, piece.from_bucket, piece.to_bucket,
      with_spread => piece.with_spread) as c
    join touched as t on t.instrument_id = c.instrument_id and c.bucket <@ t.range
    join wanted as w on w.instrument_id = c.instrument_id and w.side = c.side;
  end loop;
end
$$;

comment on function outbox.changed_candles(outbox.changes[]) is
  'The candles of every timeframe and side that somebody wants and that hold ticks of these marks, as they are now, to be stored: without revision, is_closed and captured_at; one that holds old and new ticks may come twice.';
