-- A value may only be compared with what the candles give now where they are those that it was computed from. Whatever
-- changes a candle leaves a mark in the same transaction, until it is captured with a revision higher than all before;
-- a value of a revision was computed from candles read after everything up to it was captured. So with no mark and no higher
-- revision in its window, in a snapshot that is newer than the one the window was read with, both saw the same. The
-- history of a new indicator has revision 0: of that, candles count that were captured about when it was computed, or later.
create or replace function indicator.compare_values(
  indicator_ids int[], buckets timestamptz[], revisions bigint[], stored_at timestamptz[], window_starts timestamptz[],
  outputs text[], verdicts smallint[], strengths real[], horizons int[], lows double precision[], highs double precision[],
  bars int[], computed_by text
)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
  confirmed int;
begin
  with given as materialized (
    select distinct on (c.indicator_id, c.bucket) c.*, d.instrument_id, d.timeframe, d.side, d.params, t.width, c.outputs::float8[] as numbers,
      -- Sums of candles depend on the order of addition in their last bits.
      k.columns && array['average', 'volume'] as is_of_sums,
      v.outputs as old_outputs, v.verdict as old_verdict, v.strength as old_strength, v.horizon as old_horizon,
      v.low as old_low, v.high as old_high, v.bars as old_bars
    from unnest(indicator_ids, buckets, revisions, compare_values.stored_at, window_starts, outputs, verdicts, strengths, horizons,
        lows, highs, bars)
      as c(indicator_id, bucket, revision, stored_at, window_start, outputs, verdict, strength, horizon, low, high, bars)
    join indicator.definitions as d using (indicator_id)
    join indicator.kinds as k using (kind)
    join feed.timeframes as t using (timeframe)
    join indicator.values_at(compare_values.indicator_ids, compare_values.buckets) as v
      on v.indicator_id = c.indicator_id and v.bucket = c.bucket and v.revision = c.revision and v.computed_at = c.stored_at
    order by c.indicator_id, c.bucket
  ),
  settled as materialized (
    select g.*
    from given as g
    where not exists (select from indicator.backfills as b where b.indicator_id = g.indicator_id)
      and not exists (
        select from outbox.changes as m
        where m.instrument_id = g.instrument_id
          and m.changed_from < g.bucket + g.width and m.changed_to >= coalesce(g.window_start, '-infinity')
      )
      and not exists (
        select from outbox.candles as o
        where o.instrument_id = g.instrument_id and o.timeframe = g.timeframe and o.side = g.side
          and o.bucket <= g.bucket and o.bucket >= coalesce(g.window_start, '-infinity')
          and o.revision > g.revision and o.captured_at > g.stored_at - interval '5 minutes'
      )
      -- Candles of its window were given up since: it stays as it was with them.
      and (g.bars >= g.old_bars or exists (
        select from feed.storage as s where s.level = g.timeframe and s.floor_at = '-infinity'
      ))
  ),
  judged as materialized (
    select s.*, case
        when (s.numbers, s.verdict, s.strength, s.horizon, s.low, s.high, s.bars) is not distinct from
          (s.old_outputs, s.old_verdict, s.old_strength, s.old_horizon, s.old_low, s.old_high, s.old_bars) then true
        when not s.is_of_sums or (s.horizon, s.bars) is distinct from (s.old_horizon, s.old_bars) then false
        else coalesce(abs(s.strength - s.old_strength) <= 1e-6 and (
          select bool_and(abs(n.number - n.old) <= 1e-9 * greatest(1, abs(n.number), abs(n.old)))
          from unnest(s.numbers || coalesce(s.low, 0) || coalesce(s.high, 0), s.old_outputs || coalesce(s.old_low, 0) || coalesce(s.old_high, 0))
            as n(number, old)
        ), false)
      end as is_same
    from settled as s
  ),
  -- It was seen once, and is right now.
  gone as (
    delete from indicator.differences as f
    using judged as j
    where j.is_same and f.indicator_id = j.indicator_id and f.bucket = j.bucket
  ),
  differing as (
    insert into indicator.differences as f (indicator_id, bucket, revision, stored_at, params, stored, computed, computed_by)
    select j.indicator_id, j.bucket, j.revision, j.stored_at, j.params,
      jsonb_build_object('outputs', j.old_outputs, 'verdict', j.old_verdict, 'strength', j.old_strength, 'horizon', j.old_horizon,
        'low', j.old_low, 'high', j.old_high, 'bars', j.old_bars),
      jsonb_build_object('outputs', j.numbers, 'verdict', j.verdict, 'strength', j.strength, 'horizon', j.horizon,
        'low', j.low, 'high', j.high, 'bars', j.bars),
      left(compare_values.computed_by, 200)
    from judged as j
    where not j.is_same
    order by j.indicator_id, j.bucket
    on conflict on constraint differences_pkey do update set
      confirmed_at = case when (f.revision, f.stored_at) = (excluded.revision, excluded.stored_at) then coalesce(f.confirmed_at, clock_timestamp()) end,
      found_at = case when (f.revision, f.stored_at) = (excluded.revision, excluded.stored_at) then f.found_at else clock_timestamp() end,
      looked_at = clock_timestamp(), revision = excluded.revision, stored_at = excluded.stored_at, params = excluded.params,
      stored = excluded.stored, computed = excluded.computed, computed_by = excluded.computed_by
    returning f.confirmed_at
  )
  select count(*) into confirmed from differing as d where d.confirmed_at is not null;
  -- What could not be compared now is looked at again later.
  update indicator.differences as f set looked_at = clock_timestamp()
  from unnest(indicator_ids, buckets) as c(indicator_id, bucket)
  where f.indicator_id = c.indicator_id and f.bucket = c.bucket;
  delete from indicator.differences as f
  where (f.indicator_id, f.bucket) in (
    select o.indicator_id, o.bucket from indicator.differences as o order by o.found_at desc offset 1000
  );
  return confirmed;
end
$$;

comment on function indicator.compare_values(int[], timestamptz[], bigint[], timestamptz[], timestamptz[], text[], smallint[], real[], int[], double precision[], double precision[], int[], text) is
  'Compare values that indicator.draw_values drew with what came out when they were computed again (array i is value i): revisions and stored_at (UTC) as drawn; window_starts the first bucket of the window that was read, null where it had fewer candles than its whole length; the rest as for indicator.record_values; computed_by what computed it, in words. What differs bit for bit, to 1e-9 where a kind reads sums, is kept in indicator.differences, and counts when it differs again. What changed meanwhile, or waits to be computed, is not compared. Returns how many differ for the second time.';
grant execute on function indicator.compare_values(int[], timestamptz[], bigint[], timestamptz[], timestamptz[], text[], smallint[], real[], int[], double precision[], double precision[], int[], text) to foresight_indicators, foresight_service;
