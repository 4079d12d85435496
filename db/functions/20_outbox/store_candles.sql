-- Under the capture's lock, as the revision is drawn here. Each is looked up by its key, whatever a plan from
-- when the tables were empty believes of their size.
create or replace function outbox.store_candles(candles outbox.candles[], marks outbox.changes[] default '{}')
returns outbox.delta[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  deltas outbox.delta[];
begin
  with stored as (
    insert into outbox.candles as old
      (instrument_id, timeframe, side, bucket, open, high, low, close, sum, volume, tick_count, spread,
       closes_at, is_closed, revision, captured_at, is_of_backfill)
    select c.instrument_id, c.timeframe, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count, c.spread,
      c.closes_at, c.closes_at <= clock_timestamp(), nextval('outbox.revision'),
      -- History as if it had been captured when it closed: outbox.purge forgets it soon after it is sent.
      case when c.is_of_backfill then least(c.closes_at, clock_timestamp()) else clock_timestamp() end, c.is_of_backfill
    from unnest(candles) as c
    order by c.instrument_id, c.timeframe, c.side, c.bucket
    on conflict (instrument_id, timeframe, side, bucket) do update set
      open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
      sum = excluded.sum, volume = excluded.volume, tick_count = excluded.tick_count, spread = excluded.spread,
      is_closed = old.is_closed or excluded.is_closed, is_of_backfill = false,
      revision = excluded.revision, captured_at = excluded.captured_at
    where not excluded.is_of_backfill and (
      -- Sums depend on the order of addition in their last bits: that is no change.
      (old.open, old.high, old.low, old.close, old.tick_count, old.volume is null)
        is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.tick_count, excluded.volume is null)
      or abs(old.sum - excluded.sum) > feed.sum_tolerance(excluded.sum, excluded.high, excluded.low, excluded.tick_count)
      -- Nobody asks for it any more: that is no change either.
      or excluded.spread is not null and excluded.spread is distinct from old.spread
      or abs(old.volume - excluded.volume) > 1e-9 * abs(excluded.volume)
    )
    returning instrument_id, timeframe, side, bucket, is_closed, revision
  ),
  changed as materialized (
    select m.instrument_id, min(m.marked_at) as changed_at from unnest(marks) as m group by m.instrument_id
  )
  select array_agg(row(s.*, coalesce(c.changed_at, clock_timestamp()))::outbox.delta) into deltas
  from stored as s left join changed as c using (instrument_id);
  if deltas is null then
    return '{}';
  end if;
  -- History that is told again is no other than it was.
  if not candles[1].is_of_backfill then
    perform outbox.note_capture(deltas);
  end if;
  return deltas;
end
$$;

comment on function outbox.store_candles(outbox.candles[], outbox.changes[]) is
  'Store candles that were read, each that is new or other than what was captured with a new revision; one of a backfill only if it is new. Returns the deltas; they count as changed since the marks of their instrument, without such since now.';
