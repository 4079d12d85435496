-- TimescaleDB opens each chunk that the bounds in time of a statement do not leave out when it is planned. Here they are
-- constants to the planner, as in feed.recent_ticks, and what lies far apart is read by statements of its own.
create or replace function indicator.values_at(indicator_ids int[], buckets timestamptz[])
returns setof indicator.values
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  near record;
  only_bucket timestamptz := buckets[1];
begin
  -- One key, as rules of alerts ask for it, takes one plan.
  if cardinality(buckets) = 1 then
    return query
    select v.* from indicator.values as v where v.indicator_id = indicator_ids[1] and v.bucket = only_bucket;
    return;
  end if;
  for near in
    select array_agg(k.indicator_id) as ids, array_agg(k.bucket) as at, min(k.bucket) as from_bucket, max(k.bucket) as to_bucket
    from (select distinct u.indicator_id, u.bucket from unnest(indicator_ids, buckets) as u(indicator_id, bucket) where u.bucket is not null) as k
    group by feed.bucket('7 days', k.bucket)
  loop
    return query
    select s.*
    from unnest(near.ids, near.at) as k(indicator_id, bucket)
    cross join lateral (
      select * from indicator.values as v
      where v.indicator_id = k.indicator_id and v.bucket = k.bucket and v.bucket between near.from_bucket and near.to_bucket
      offset 0
    ) as s;
  end loop;
end
$$;

comment on function indicator.values_at(int[], timestamptz[]) is
  'The stored values of some indicators at some buckets (UTC): element i of both arrays is one key, which may come twice and is asked once. In no order.';
