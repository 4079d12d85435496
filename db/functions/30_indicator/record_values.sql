-- A value is stored unless one asked for by a higher revision is there, so that a slow worker cannot
-- undo a faster one. An equal value still takes the higher revision, else a revision in between
-- could overwrite it later. Windows of one claim may overlap: of one value the highest revision counts.
create or replace function indicator.record_values(
  indicator_ids int[], buckets timestamptz[], "values" double precision[], lines text[], verdicts smallint[],
  bars int[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  stored int;
begin
  insert into indicator.values as old (indicator_id, bucket, value, lines, verdict, bars, revision)
  select distinct on (v.indicator_id, v.bucket) v.indicator_id, v.bucket, v.value, v.lines::jsonb, v.verdict, v.bars, v.revision
  from unnest(indicator_ids, buckets, "values", lines, verdicts, bars, revisions)
    as v(indicator_id, bucket, value, lines, verdict, bars, revision)
  where exists (select from indicator.definitions as d where d.indicator_id = v.indicator_id)
    -- Older ones were given up.
    and v.bucket >= (select s.floor_at from feed.storage as s where s.level = 'values')
  order by v.indicator_id, v.bucket, v.revision desc
  on conflict (indicator_id, bucket) do update set
    value = excluded.value, lines = excluded.lines, verdict = excluded.verdict, bars = excluded.bars,
    revision = excluded.revision, computed_at = excluded.computed_at
  where excluded.revision >= old.revision
    -- Candles of its window were given up since: it stays as it was with them.
    and (excluded.bars >= old.bars or not exists (
      select from indicator.definitions as d
      join feed.storage as s on s.level = d.timeframe and s.floor_at > '-infinity'
      where d.indicator_id = excluded.indicator_id and excluded.bars < d.bars_required
    ));
  get diagnostics stored = row_count;
  perform pg_notify('dashboard', 'values');
  return stored;
end
$$;

comment on function indicator.record_values(int[], timestamptz[], double precision[], text[], smallint[], int[], bigint[]) is
  'Store indicator values (array i is value i): bucket in UTC, lines a JSON object of named numbers or null, verdict +1, 0, -1 or null while warming up, bars the candles of the window, revision the candle revision that asked. A value with a higher revision stays. Returns how many were stored.';
grant execute on function indicator.record_values(int[], timestamptz[], double precision[], text[], smallint[], int[], bigint[]) to foresight_indicators;
