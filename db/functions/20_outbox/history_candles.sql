create or replace function outbox.history_candles(
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz
)
returns setof outbox.candles
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
  select c.instrument_id, t.timeframe, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count,
    c.bucket + t.width + s.grace, null::boolean, null::bigint, null::timestamptz, true
  from feed.read_candles(history_candles.timeframe, array[history_candles.instrument_id], array[history_candles.side],
    from_bucket, to_bucket) as c
  join feed.timeframes as t on t.timeframe = history_candles.timeframe
  join feed.instruments as i on i.instrument_id = c.instrument_id
  join feed.sources as s using (source)
  -- One that a capture still has to read is left to it: it tells all subscriptions, this one too.
  where not exists (
    select from outbox.changes as m
    where m.instrument_id = c.instrument_id and m.changed_to >= c.bucket and m.changed_from < c.bucket + t.width
  )
$$;

comment on function outbox.history_candles(int, text, text, timestamptz, timestamptz) is
  'The candles of a series whose buckets begin in [from_bucket, to_bucket) (UTC) and no mark speaks of, to be stored as those of a backfill: without revision, is_closed and captured_at.';
