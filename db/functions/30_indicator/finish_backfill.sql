create or replace function indicator.finish_backfill(indicator_id int, from_bucket timestamptz, to_bucket timestamptz)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  update indicator.backfills as b
  set next_bucket = (
    select finish_backfill.to_bucket + t.width
    from indicator.definitions as d join feed.timeframes as t using (timeframe)
    where d.indicator_id = finish_backfill.indicator_id
  ), progressed_at = clock_timestamp()
  where b.indicator_id = finish_backfill.indicator_id and b.next_bucket = finish_backfill.from_bucket
$$;

comment on function indicator.finish_backfill(int, timestamptz, timestamptz) is
  'The values of an indicator from from_bucket to to_bucket (UTC) are stored: its backfill goes on after them, unless it was asked for again meanwhile.';
grant execute on function indicator.finish_backfill(int, timestamptz, timestamptz) to foresight_indicators;
