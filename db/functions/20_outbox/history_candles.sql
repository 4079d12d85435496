-- The marks are looked at after the candles were read: what is in a candle was stored with its mark, and is seen here
-- with it. Before, a tick that comes in between would be in a candle that is stored as history, and the capture
-- of its mark would find nothing new to tell the other subscriptions.
create or replace function outbox.history_candles(
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz
)
returns setof outbox.candles
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  candles outbox.candles[];
begin
  select array_agg(row(
    c.instrument_id, history_candles.timeframe, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count,
    null, c.bucket + feed.timeframe_width(history_candles.timeframe) + s.grace, null, null, null, true)::outbox.candles)
  into candles
  from feed.read_candles(history_candles.timeframe, array[history_candles.instrument_id], array[history_candles.side],
    from_bucket, to_bucket) as c
  join feed.instruments as i on i.instrument_id = c.instrument_id
  join feed.sources as s using (source);
  return query
  select c.*
  from unnest(candles) as c
  -- One that a capture still has to read is left to it: it tells all subscriptions, this one too.
  where not exists (
    select from outbox.changes as m
    where m.instrument_id = c.instrument_id and m.changed_to >= c.bucket
      and m.changed_from < c.bucket + feed.timeframe_width(c.timeframe)
  );
end
$$;

comment on function outbox.history_candles(int, text, text, timestamptz, timestamptz) is
  'The candles of a series whose buckets begin in [from_bucket, to_bucket) (UTC) and no mark speaks of, to be stored as those of a backfill: without revision, is_closed and captured_at.';
