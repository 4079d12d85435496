-- Most statements change the value of a candle that forms, and add none.
create or replace function indicator.tg_values__keep_ends()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  newest_ids int[];
  newest_buckets timestamptz[];
begin
  perform from new_values limit 1;
  if not found then
    return null;
  end if;
  select array_agg(n.indicator_id), array_agg(n.bucket) into newest_ids, newest_buckets
  from (select v.indicator_id, max(v.bucket) as bucket from new_values as v group by 1) as n
  where not exists (
    select from indicator.value_ends as e where e.indicator_id = n.indicator_id and e.bucket >= n.bucket
  );
  if newest_ids is null then
    return null;
  end if;
  -- Rows of others that are not finished are left for the next.
  with told as (
    delete from indicator.value_ends as e
    where e.ctid = any (array(
      select o.ctid from indicator.value_ends as o where o.indicator_id = any (newest_ids) for update skip locked))
    returning e.indicator_id, e.bucket
  )
  insert into indicator.value_ends (indicator_id, bucket)
  select k.indicator_id, max(k.bucket)
  from (
    select t.indicator_id, t.bucket from told as t
    union all
    select n.indicator_id, n.bucket from unnest(newest_ids, newest_buckets) as n(indicator_id, bucket)
  ) as k
  group by k.indicator_id;
  return null;
end
$$;

comment on function indicator.tg_values__keep_ends() is
  'Keep indicator.value_ends when a statement adds values.';

create or replace trigger _100_keep_ends
  after insert on indicator.values
  referencing new table as new_values
  for each statement execute function indicator.tg_values__keep_ends();
