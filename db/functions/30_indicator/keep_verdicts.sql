-- What was said is looked up once per bucket and within bounds that are no values of a join, else each lookup would go
-- through all chunks; and compared by its place, as a join of what is believed to be few rows compares each with each.
create or replace function indicator.keep_verdicts(
  said indicator.verdicts[], indicator_ids int[], buckets timestamptz[], revisions bigint[], prices double precision[]
)
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  from_bucket timestamptz;
  to_bucket timestamptz;
  kept int;
begin
  select min(v.bucket), max(v.bucket) into from_bucket, to_bucket
  from unnest(buckets, prices) as v(bucket, price) where v.price is not null;
  with given as materialized (
    select n.indicator_id, n.bucket, n.revision, n.verdict, n.strength, n.value, v.price
    from unnest(said) as n
    join unnest(indicator_ids, buckets, revisions, prices) as v(indicator_id, bucket, revision, price)
      using (indicator_id, bucket, revision)
    where v.price is not null
      and n.bucket >= (select s.floor_at from feed.storage as s where s.level = 'verdicts')
  ),
  verdicts as (
    select g.*, true as is_new from given as g
    union all
    select s.indicator_id, s.bucket, s.revision, s.verdict, s.strength, s.value, s.price, false
    from (select g.bucket, array_agg(g.indicator_id) as indicator_ids from given as g group by g.bucket) as g
    cross join lateral (
      select s.* from indicator.verdicts as s
      where s.indicator_id = any (g.indicator_ids) and s.bucket = g.bucket
        and s.bucket >= from_bucket and s.bucket <= to_bucket
    ) as s
  ),
  placed as (
    select v.*, row_number() over newest_first as place,
      lead((v.verdict, v.strength, v.value, v.price)) over newest_first as said_before
    from verdicts as v
    window newest_first as (partition by v.indicator_id, v.bucket order by v.revision desc, v.is_new desc)
  )
  insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
  select p.indicator_id, p.bucket, p.revision, p.verdict, p.strength, p.value, p.price
  from placed as p
  where p.is_new and p.place = 1 and p.said_before is distinct from (p.verdict, p.strength, p.value, p.price)
    and clock_timestamp() >= (
      select p.bucket + t.width + f.grace
      from indicator.definitions as d
      join feed.timeframes as t using (timeframe)
      join feed.instruments as i using (instrument_id)
      join feed.sources as f using (source)
      where d.indicator_id = p.indicator_id
    )
  on conflict (indicator_id, bucket, revision) do nothing;
  get diagnostics kept = row_count;
  return kept;
end
$$;

comment on function indicator.keep_verdicts(indicator.verdicts[], int[], timestamptz[], bigint[], double precision[]) is
  'Keep what values that were just stored say, where their candle is closed and it differs from what was said of their bucket last. The other arrays give the close of the candle (prices) of each indicator, bucket (UTC) and revision; null: not to be kept. Returns how many were kept.';
