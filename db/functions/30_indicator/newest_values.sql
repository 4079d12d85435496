-- With no bound in time, to find the newest value of an indicator would open every chunk of all history on TimescaleDB:
-- indicator.value_ends says where it is. Where it is not there, as somebody deleted it, or one of before is asked for, it
-- looks back in ever longer pieces, with bounds as in indicator.values_at, and not where all was given up.
create or replace function indicator.newest_values(indicator_ids int[], until_bucket timestamptz default 'infinity')
returns setof indicator.values
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  ids int[];
  ends timestamptz[];
  stored indicator.values[];
  found_value indicator.values;
  found_ids int[];
  from_at timestamptz;
  until_at timestamptz;
  span interval := '7 days';
begin
  select array_agg(e.indicator_id), array_agg(e.bucket) into ids, ends
  from (
    select e.indicator_id, max(e.bucket) as bucket from indicator.value_ends as e where e.indicator_id = any (indicator_ids) group by 1
  ) as e;
  select array_agg(v) into stored
  from indicator.values_at(ids, array(
    select case when e.bucket <= until_bucket then e.bucket end from unnest(ends) with ordinality as e(bucket, place) order by e.place)) as v;
  return query select v.* from unnest(stored) as v;
  if cardinality(stored) = cardinality(ids) then
    return;
  end if;

  with lacking as materialized (
    select e.indicator_id, e.bucket
    from unnest(ids, ends) as e(indicator_id, bucket)
    where not exists (select from unnest(stored) as v where v.indicator_id = e.indicator_id)
  )
  select array_agg(l.indicator_id), max(least(l.bucket, until_bucket)) into ids, until_at
  from lacking as l
  join indicator.definitions as d using (indicator_id)
  where l.bucket >= indicator.values_from(d.timeframe);
  while ids is not null loop
    from_at := case when span < interval '10 years' then until_at - span else '-infinity' end;
    found_ids := '{}';
    for found_value in
      select n.*
      from unnest(ids) as k(indicator_id)
      cross join lateral (
        select * from indicator.values as v
        where v.indicator_id = k.indicator_id and v.bucket >= from_at and v.bucket <= until_at
        order by v.bucket desc
        limit 1
      ) as n
    loop
      return next found_value;
      found_ids := found_ids || found_value.indicator_id;
    end loop;
    exit when from_at = '-infinity';
    ids := (select array_agg(k.indicator_id) from unnest(ids) as k(indicator_id) where k.indicator_id <> all (found_ids));
    span := span * 8;
  end loop;
end
$$;

comment on function indicator.newest_values(int[], timestamptz) is
  'The newest value of each of some indicators, of those whose buckets are until_bucket (UTC) or before: a row for each that has one, in no order.';
-- For those who read ops.services and ops.lag.
grant execute on function indicator.newest_values(int[], timestamptz) to foresight_publish, foresight_web;
