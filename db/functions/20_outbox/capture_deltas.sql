-- From changed minutes to candle deltas, in one transaction and under one lock. The candles are read in later
-- statements than the marks, so they have every tick those marks stand for. Writers mark in the next generation
-- from the beginning of the capture on, so only those who were at work at that moment can change these.
-- The lock makes revisions rise with the content. It belongs to the transaction, so a publisher that
-- stops or dies holds nothing. Must run at READ COMMITTED: with one snapshot for all, old content
-- would get a new revision.
create or replace function outbox.capture_deltas(
  max_changes int default 500, out change_count int, out delta_count int
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set max_parallel_workers_per_gather = 0
as $$
declare
  marks outbox.changes[];
  candles outbox.candles[];
  deltas outbox.delta[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'outbox.capture_deltas must run at read committed' using errcode = 'ISOLA';
  end if;
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));

  perform nextval('outbox.change_generation');
  -- Marks and horizon in one statement: a refresh that begins after it has all ticks of these marks.
  with horizon as materialized (select feed.refresh_horizon() as value)
  select array_agg(c) into marks
  from (
    select c.* from outbox.changes as c, horizon as h
    where c.changed_from >= h.value or c.refreshed_revision = c.revision
    order by c.minute desc
    limit max_changes
  ) as c;
  change_count := coalesce(cardinality(marks), 0);
  delta_count := 0;
  if change_count = 0 then
    return;
  end if;

  select array_agg(c) into candles
  from (
    select distinct on (c.instrument_id, c.timeframe, c.side, c.bucket) c.* from outbox.changed_candles(marks) as c
  ) as c;
  deltas := outbox.store_candles(candles, marks);
  delta_count := cardinality(deltas);
  -- All at once: queue_deliveries has an order in which it locks.
  perform outbox.queue_deliveries(deltas);
  perform outbox.finish_changes(marks);
  perform pg_notify('dashboard', 'prices');
end
$$;

comment on function outbox.capture_deltas(int) is
  'Turn up to max_changes changed minutes into candle deltas and queue them for their subscriptions. Returns how many minutes were read, and how many candles were new or different. Newest minutes first. Late ticks wait for outbox.refresh_late. Error ISOLA: not at read committed.';
grant execute on function outbox.capture_deltas(int) to foresight_publish;
