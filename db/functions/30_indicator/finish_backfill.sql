create or replace function indicator.finish_backfill(work_id bigint, reached_bucket timestamptz)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update indicator.backfills as b
  set next_bucket = greatest(b.next_bucket, finish_backfill.reached_bucket + t.width),
    progressed_at = clock_timestamp(), leased_until = '-infinity'
  from indicator.definitions as d
  join feed.timeframes as t using (timeframe)
  where b.work_id = finish_backfill.work_id and d.indicator_id = b.indicator_id
$$;

comment on function indicator.finish_backfill(bigint, timestamptz) is
  'The values of a claimed stretch of history are stored up to reached_bucket (UTC), which may be before its end: the history goes on after it when it is its turn again, unless it was asked for anew meanwhile.';
grant execute on function indicator.finish_backfill(bigint, timestamptz) to foresight_indicators, foresight_service;
