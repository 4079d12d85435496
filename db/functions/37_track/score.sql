-- One series of candles at a time, with all its indicators. What is to be scored is taken in one statement and read in
-- later ones: values that are stored meanwhile are still in indicator.unscored for the next call. There is one call at a
-- time, since each adds to what is there.
create or replace function track.score(max_candles int default 50000)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  -- Beside the longest horizon, the rest of the block in which it ends.
  beside int := (select max(h) + 15 from unnest(track.horizons()) as h);
  series record;
  indicator_ids int[];
  taken indicator.unscored[];
  stretch record;
begin
  if not pg_try_advisory_xact_lock(hashtext('track.score')) then
    return 0;
  end if;
  select d.instrument_id, d.timeframe, d.side, t.width, t.width + f.grace as closes_after into series
  from indicator.definitions as d
  join feed.timeframes as t using (timeframe)
  join feed.instruments as i using (instrument_id)
  join feed.sources as f using (source)
  where d.indicator_id = track.due_indicator();
  if not found then
    return 0;
  end if;
  -- None goes away meanwhile: who removes one would wait for us with what we need in hand.
  indicator_ids := array(
    select d.indicator_id from indicator.definitions as d
    where d.instrument_id = series.instrument_id and d.timeframe = series.timeframe and d.side = series.side
    order by d.indicator_id for key share
  );
  with waiting as (
    select u.unscored_id, sum(u.candles) over (order by u.unscored_id) - u.candles as candles_before
    from unnest(indicator_ids) as i(indicator_id)
    cross join lateral (
      select u.unscored_id, u.candles from indicator.unscored as u
      where u.indicator_id = i.indicator_id order by u.unscored_id limit 1000
    ) as u
  ),
  gone as (
    delete from indicator.unscored as u
    where u.unscored_id = any (array(select w.unscored_id from waiting as w where w.candles_before < max_candles))
    returning u.*
  )
  select array_agg(g) into taken from gone as g;
  if taken is null then
    return 0;
  end if;

  -- What lies near each other is counted together.
  for stretch in
    select min(u.from_bucket) as from_bucket, max(u.to_bucket) as to_bucket, array_agg(distinct u.indicator_id) as indicator_ids
    from (
      select unnest(range_agg(tstzrange(u.from_bucket - beside * series.width, u.to_bucket + beside * series.width, '[]'))) as reach
      from unnest(taken) as u
    ) as r
    join unnest(taken) as u on u.from_bucket <@ r.reach
    group by r.reach
  loop
    perform track.count_stretch(stretch.indicator_ids, series.timeframe, stretch.from_bucket, stretch.to_bucket,
      w.buckets, w.closes, series.closes_after)
    from indicator.candle_window(series.instrument_id, series.timeframe, series.side,
      stretch.from_bucket, stretch.to_bucket, beside, beside) as w;
  end loop;
  -- A long history is judged when it is counted.
  perform track.judge(array(
    select distinct u.indicator_id from unnest(taken) as u
    where not exists (select from indicator.unscored as w where w.indicator_id = u.indicator_id and w.candles >= 16)
  ));
  return cardinality(taken);
end
$$;

comment on function track.score(int) is
  'Bring the track record of one series of candles up to date with values that were stored since (indicator.unscored): about so many of them at most. Returns how many rows it took; 0 when nothing is due, or another call is at work. Upkeep calls it when it maintains.';
grant execute on function track.score(int) to foresight_upkeep;
