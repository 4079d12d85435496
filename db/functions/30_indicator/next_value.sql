-- In ever longer pieces, with bounds as in indicator.values_at.
create or replace function indicator.next_value(indicator_id int, from_bucket timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
  newest timestamptz := (select max(e.bucket) from indicator.value_ends as e where e.indicator_id = next_value.indicator_id);
  start_at timestamptz := from_bucket;
  end_at timestamptz;
  span interval := '7 days';
  found_at timestamptz;
begin
  while start_at <= newest loop
    end_at := case when start_at = '-infinity' then newest else start_at + span end;
    select v.bucket into found_at
    from indicator.values as v
    where v.indicator_id = next_value.indicator_id and v.bucket >= start_at and v.bucket <= end_at
    order by v.bucket
    limit 1;
    if found then
      return found_at;
    end if;
    exit when end_at >= newest;
    start_at := end_at;
    span := span * 8;
  end loop;
  return null;
end
$$;

comment on function indicator.next_value(int, timestamptz) is
  'The first bucket (UTC) from from_bucket on of which an indicator has a value; null: there is none.';
