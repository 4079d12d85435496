-- A look-up by key for each indicator. The candle is mostly near, and with constants as bounds of time only the chunks of
-- that time are planned and locked, not those of all history.
create or replace function alert.bucket_beside(
  instrument_id int, timeframe text, side text, indicator_id int, bucket timestamptz, direction int
)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
  near interval := greatest(interval '14 days', 20 * feed.timeframe_width(bucket_beside.timeframe));
  voter_id int;
  from_at timestamptz;
  until_at timestamptz;
  beside timestamptz;
  found_at timestamptz;
begin
  for voter_id in
    select bucket_beside.indicator_id where bucket_beside.indicator_id is not null
    union all
    select d.indicator_id
    from rating.votes as v
    join indicator.definitions as d using (kind, params)
    where bucket_beside.indicator_id is null and v.weight > 0
      and d.instrument_id = bucket_beside.instrument_id and d.timeframe = bucket_beside.timeframe and d.side = bucket_beside.side
  loop
    if direction < 0 then
      until_at := (select max(e.bucket) from indicator.value_ends as e where e.indicator_id = voter_id);
      continue when until_at is null;
      until_at := least(until_at, bucket_beside.bucket - interval '1 microsecond');
      from_at := until_at - near;
      select n.bucket into beside
      from indicator.values as n
      where n.indicator_id = voter_id and n.bucket <= until_at and n.bucket >= from_at
        and n.value is not null
      order by n.bucket desc
      limit 1;
      if beside is null then
        select n.bucket into beside
        from indicator.values as n
        where n.indicator_id = voter_id and n.bucket <= until_at and n.value is not null
        order by n.bucket desc
        limit 1;
      end if;
      found_at := greatest(found_at, beside);
    else
      select n.bucket into beside
      from indicator.values as n
      where n.indicator_id = voter_id and n.bucket > bucket_beside.bucket and n.value is not null
      order by n.bucket
      limit 1;
      found_at := least(found_at, beside);
    end if;
  end loop;
  return found_at;
end
$$;

comment on function alert.bucket_beside(int, text, text, int, timestamptz, int) is
  'The candle next to one (buckets in UTC) of which an indicator (null: any that votes for the rating of these candles) has a value: before it (direction -1) or after it (1). Null: there is none.';
