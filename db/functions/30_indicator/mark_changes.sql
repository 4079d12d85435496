create or replace function indicator.mark_changes(indicator_ids int[], buckets timestamptz[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into indicator.marks as old (instrument_id, timeframe, side, bucket, generation)
  select c.instrument_id, c.timeframe, c.side, c.bucket, g.last_value
  from (
    select distinct d.instrument_id, d.timeframe, d.side, v.bucket
    from unnest(indicator_ids, buckets) as v(indicator_id, bucket)
    join indicator.definitions as d using (indicator_id)
    join indicator.watched as w using (instrument_id, timeframe, side)
    where v.bucket >= w.from_bucket
  ) as c
  cross join indicator.mark_generation as g
  -- In key order, so that two statements cannot lock each other's rows.
  order by 1, 2, 3, 4
  -- It is locked, so that nobody takes a mark that was made before this change.
  on conflict on constraint marks_pkey do update set marked_at = old.marked_at;
end
$$;

comment on function indicator.mark_changes(int[], timestamptz[]) is
  'Mark candles (UTC) of which values (array i is value i) were just stored, where somebody watches them.';
