-- A value is stored unless one asked for by a higher revision is there, so that a slow worker cannot
-- undo a faster one. An equal value still takes the higher revision, else a revision in between
-- could overwrite it later. Windows of one claim may overlap: of one value the highest revision counts.
create or replace function indicator.record_values(
  indicator_ids int[], buckets timestamptz[], outputs text[], verdicts smallint[], strengths real[],
  horizons int[], lows double precision[], highs double precision[], bars int[], revisions bigint[],
  prices double precision[] default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  are_wrong boolean;
  wrong record;
  stored int;
  said indicator.verdicts[];
begin
  with
  -- None goes away meanwhile, and what was just removed is not stored: it would fail the others of its batch.
  known as materialized (
    select d.indicator_id, d.output_count, t.width, t.width + f.grace as closes_after, greatest(s.floor_at, r.floor_at) as floor_at
    from indicator.definitions as d
    join feed.timeframes as t using (timeframe)
    join feed.instruments as i using (instrument_id)
    join feed.sources as f using (source)
    join feed.storage as s on s.level = 'values'
    left join indicator.retention as r on r.timeframe = d.timeframe
    where d.indicator_id = any (indicator_ids)
    order by d.indicator_id
    for key share of d
  ),
  given as materialized (
    select distinct on (v.indicator_id, v.bucket) v.*, k.width, v.bucket + k.closes_after <= clock_timestamp() as is_closed,
      coalesce(cardinality(v.outputs) <> k.output_count, false) as is_wrong
    from (
      select unnest(indicator_ids) as indicator_id, unnest(buckets) as bucket, unnest(outputs)::float8[] as outputs,
        unnest(verdicts) as verdict, unnest(strengths) as strength, unnest(horizons) as horizon, unnest(lows) as low,
        unnest(highs) as high, unnest(bars) as bars, unnest(revisions) as revision, unnest(prices) as price
    ) as v
    join known as k using (indicator_id)
    -- Older ones were given up. A wrong one is found wherever it lies, also beside another one of its bucket.
    where v.bucket >= k.floor_at or cardinality(v.outputs) <> k.output_count
    order by v.indicator_id, v.bucket, is_wrong desc, v.revision desc
  ),
  stored as (
    insert into indicator.values as old
      (indicator_id, bucket, value, outputs, verdict, strength, horizon, low, high, bars, revision)
    select g.indicator_id, g.bucket, g.outputs[1], g.outputs, g.verdict, g.strength, g.horizon, g.low, g.high, g.bars, g.revision
    from given as g
    where not g.is_wrong
    order by g.indicator_id, g.bucket
    on conflict (indicator_id, bucket) do update set
      value = excluded.value, outputs = excluded.outputs, verdict = excluded.verdict, strength = excluded.strength,
      horizon = excluded.horizon, low = excluded.low, high = excluded.high, bars = excluded.bars,
      revision = excluded.revision, computed_at = excluded.computed_at
    -- Of a revision that no candle can have, a value would stay for ever.
    where (excluded.revision >= old.revision or old.revision > coalesce(pg_sequence_last_value('outbox.revision'), 0))
      -- Candles of its window were given up since: it stays as it was with them.
      and (excluded.bars >= old.bars or not exists (
        select from indicator.definitions as d
        join feed.storage as s on s.level = d.timeframe and s.floor_at > '-infinity'
        where d.indicator_id = excluded.indicator_id and excluded.bars < d.bars_window
      ))
    returning indicator_id, bucket
  ),
  -- Candles that lie far apart are stretches of their own.
  unscored as (
    insert into indicator.unscored (indicator_id, from_bucket, to_bucket, candles)
    select g.indicator_id, min(g.bucket), max(g.bucket), count(*)
    from given as g
    where g.is_closed
    group by g.indicator_id, feed.bucket(g.width * 1000, g.bucket)
  )
  -- What is to be kept as it was said, if it was stored: in a filter that is looked up by hash, as a join of what is
  -- believed to be few rows compares each with each.
  select bool_or(g.is_wrong), (select count(*) from stored as s),
    array_agg(row(g.indicator_id, g.bucket, g.revision, null, g.verdict, g.strength, g.outputs[1], g.price)::indicator.verdicts)
      filter (where g.is_closed and g.price is not null and g.outputs[1] is not null
        and g.bucket >= (select s.floor_at from feed.storage as s where s.level = 'verdicts')
        and (g.indicator_id, g.bucket) in (select s.indicator_id, s.bucket from stored as s))
  into are_wrong, stored, said
  from given as g;
  if are_wrong then
    select d.indicator_id, d.kind, d.output_count, v.outputs into wrong
    from unnest(indicator_ids, outputs) as v(indicator_id, outputs)
    join indicator.definitions as d using (indicator_id)
    where cardinality(v.outputs::float8[]) <> d.output_count
    limit 1;
    raise exception 'a value of indicator % has other outputs than the % that % declares: %',
      wrong.indicator_id, wrong.output_count, wrong.kind, left(wrong.outputs, 200) using errcode = 'VALUE';
  end if;
  -- In a later statement: who stored another revision of the same value was waited for, and what he said is seen there.
  if said is not null then
    perform indicator.keep_verdicts(said);
  end if;
  if stored > 0 and exists (select from indicator.watched) then
    perform indicator.mark_changes(indicator_ids, buckets);
  end if;
  perform pg_notify('dashboard', 'values');
  return stored;
end
$$;

comment on function indicator.record_values(int[], timestamptz[], text[], smallint[], real[], int[], double precision[], double precision[], int[], bigint[], double precision[]) is
  'Store indicator values (array i is value i): bucket in UTC; outputs the numbers that the kind declares, in that order, as text such as {1.5,2}, null while warming up; verdict +1, 0, -1; strength from -1 to 1 with its sign; of a forecast the horizon in bars and its interval from low to high, else null; bars the candles of the window; revision the candle revision that asked; prices, where the candle was closed and its change asked for the value (not history): its close, and the value is kept in indicator.verdicts as it was said; else null. A value with a higher revision stays. Returns how many were stored. Errors: VALUE not the outputs that the kind declares, 23514 a number, verdict, strength or forecast that cannot be.';
grant execute on function indicator.record_values(int[], timestamptz[], text[], smallint[], real[], int[], double precision[], double precision[], int[], bigint[], double precision[]) to foresight_indicators, foresight_service;
