-- A candle is closed by the clock, also when no further tick comes. Under the capture's lock, and
-- only when no change of its bucket waits that was stored before, so that the first closing has the true content.
-- What is stored after it is a revision: a market with late ticks always has some that wait to be refreshed,
-- and its candles would stay open as long.
create or replace function outbox.close_candles(max_candles int default 2000)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  closing_at timestamptz;
  deltas outbox.delta[];
begin
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  closing_at := clock_timestamp();
  with closed as (
    update outbox.candles as c
    set is_closed = true, is_of_backfill = false, revision = nextval('outbox.revision'),
      captured_at = clock_timestamp()
    -- By their place in the table, whatever the planner believes of its size: only what is over is read.
    where c.ctid = any (array(
      select c.ctid
      from outbox.candles as c
      join feed.timeframes as t using (timeframe)
      where not c.is_closed and c.closes_at <= closing_at
        and not exists (
          select from outbox.changes as m
          where m.instrument_id = c.instrument_id
            and m.minute >= date_trunc('minute', c.bucket) and m.minute < c.bucket + t.width
            and m.changed_from < c.bucket + t.width and m.changed_to >= c.bucket
            and m.marked_at < c.closes_at
        )
      order by c.closes_at
      limit max_candles
    ))
    returning c.instrument_id, c.timeframe, c.side, c.bucket, c.is_closed, c.revision, c.closes_at
  )
  select array_agg(row(c.*)::outbox.delta) into deltas from closed as c;
  if deltas is null then
    return 0;
  end if;
  perform outbox.queue_deliveries(deltas);
  return cardinality(deltas);
end
$$;

comment on function outbox.close_candles(int) is
  'Close the captured candles whose bucket and grace are over, and whose ticks of before that are captured, and queue them with a new revision; returns how many.';
grant execute on function outbox.close_candles(int) to foresight_publish;
