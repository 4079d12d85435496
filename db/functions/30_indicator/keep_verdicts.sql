-- What was said last is looked up by its key and within bounds that are constants to the planner, as in
-- indicator.values_at: else each lookup would go through all chunks.
create or replace function indicator.keep_verdicts(said indicator.verdicts[])
returns int
language plpgsql
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  from_bucket timestamptz;
  to_bucket timestamptz;
  kept int;
begin
  select min(n.bucket), max(n.bucket) into from_bucket, to_bucket from unnest(said) as n;
  insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
  select n.indicator_id, n.bucket, n.revision, n.verdict, n.strength, n.value, n.price
  from unnest(said) as n
  left join lateral (
    select s.revision, s.verdict, s.strength, s.value, s.price
    from indicator.verdicts as s
    where s.indicator_id = n.indicator_id and s.bucket = n.bucket and s.bucket >= from_bucket and s.bucket <= to_bucket
    order by s.revision desc
    limit 1
  ) as newest on true
  where newest.revision is null or newest.revision < n.revision
    and (newest.verdict, newest.strength, newest.value, newest.price) is distinct from (n.verdict, n.strength, n.value, n.price)
  on conflict (indicator_id, bucket, revision) do nothing;
  get diagnostics kept = row_count;
  return kept;
end
$$;

comment on function indicator.keep_verdicts(indicator.verdicts[]) is
  'Keep what values of closed candles, that were just stored, say: where it differs from what was said of their bucket last. Returns how many were kept.';
