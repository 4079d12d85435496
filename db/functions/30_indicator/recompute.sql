create or replace function indicator.recompute(indicator_id int, from_time timestamptz default '-infinity')
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval;
  service text;
begin
  select t.width, d.service into width, service
  from indicator.definitions as d join feed.timeframes as t using (timeframe)
  where d.indicator_id = recompute.indicator_id;
  if width is null then
    raise exception 'there is no indicator %', recompute.indicator_id using errcode = 'NOIND';
  end if;
  -- The revision is drawn before any candle is read, so a candle that changes later still wins.
  insert into indicator.backfills as b (indicator_id, service, next_bucket, revision)
  values (recompute.indicator_id, service, feed.bucket(width, from_time), nextval('outbox.revision'))
  on conflict on constraint backfills_pkey do update
    set next_bucket = least(b.next_bucket, excluded.next_bucket), revision = excluded.revision,
      work_id = excluded.work_id, leased_until = '-infinity';
end
$$;

comment on function indicator.recompute(int, timestamptz) is
  'Compute the values of an indicator again from the stored candles, from the bucket that holds from_time (UTC) on. Gives the same values; a repair. Error NOIND.';
