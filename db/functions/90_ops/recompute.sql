create or replace function ops.recompute(indicator_id int, from_time timestamptz default '-infinity')
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval := (
    select t.width from indicator.definitions as d join feed.timeframes as t using (timeframe)
    where d.indicator_id = recompute.indicator_id
  );
begin
  if width is null then
    raise exception 'there is no indicator %', recompute.indicator_id using errcode = 'NOIND';
  end if;
  -- The revision is drawn before any candle is read, so a candle that changes later still wins.
  insert into indicator.backfills as b (indicator_id, next_bucket, revision)
  values (recompute.indicator_id, feed.bucket(width, from_time), nextval('outbox.revision'))
  on conflict on constraint backfills_pkey do update
    set next_bucket = least(b.next_bucket, excluded.next_bucket), revision = excluded.revision;
end
$$;

comment on function ops.recompute(int, timestamptz) is
  'Compute the values of an indicator again from the stored candles, from the bucket that holds from_time (UTC) on. Gives the same values; a repair. Error NOIND.';
