create or replace function track.recount(indicator_id int)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from indicator.definitions as d where d.indicator_id = recount.indicator_id) then
    raise exception 'there is no indicator %', recount.indicator_id using errcode = 'NOIND';
  end if;
  insert into indicator.unscored (indicator_id, from_bucket, to_bucket, candles)
  -- As history: at once.
  select d.indicator_id, min(v.bucket), max(v.bucket), greatest(16, count(*))
  from indicator.definitions as d
  join feed.timeframes as t using (timeframe)
  join indicator.values as v using (indicator_id)
  where d.indicator_id = recount.indicator_id
  group by d.indicator_id, feed.bucket(t.width * 1000, v.bucket);
end
$$;

comment on function track.recount(int) is
  'Count the track record of an indicator again from its values, verdicts and candles, as far as they are kept, when upkeep maintains next. Gives the same counts; a repair. Error NOIND.';
