-- Under the capture's lock, as all that stores captured candles: what changes later is captured later, and
-- has a higher revision. The history is read only as fast as the queue takes it, so a year of minutes is
-- neither one transaction nor a table full of deliveries, and live candles wait behind a short line. Nobody who
-- subscribes is waited for: he may be in a long transaction, and wait for what this one has locked.
create or replace function outbox.continue_backfills(max_candles int default 1000)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  job record;
  from_bucket timestamptz;
  to_bucket timestamptz;
  candle_count int := 0;
  stretches int := 0;
begin
  if not exists (select from outbox.backfills) then
    return 0;
  end if;
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  -- Every later capture and closing sees these subscriptions.
  update outbox.backfills as b set since_revision = (select last_value from outbox.revision)
  where b.ctid = any (array(
    select u.ctid from outbox.backfills as u where u.since_revision is null for update skip locked
  ));
  for job in
    select b.*, t.width
    from outbox.backfills as b
    join outbox.subscriptions as s using (subscription_id)
    join feed.timeframes as t using (timeframe)
    where b.since_revision is not null and outbox.may_backfill(s)
    order by b.next_bucket, b.subscription_id, b.instrument_id, t.width, b.side
    limit 50
    for update of b skip locked
  loop
    exit when candle_count >= max_candles;
    stretches := stretches + 1;
    -- A gap in the history is jumped over.
    from_bucket := feed.next_bucket(job.instrument_id, job.timeframe, job.next_bucket);
    to_bucket := from_bucket + job.width * max_candles;
    if from_bucket is not null then
      perform outbox.store_candles(array_agg(c))
      from outbox.history_candles(job.instrument_id, job.timeframe, job.side, from_bucket, to_bucket) as c;
      candle_count := candle_count + outbox.queue_history(
        job.subscription_id, job.instrument_id, job.timeframe, job.side, from_bucket, to_bucket, job.since_revision);
    end if;
    if from_bucket is null or to_bucket > clock_timestamp() + interval '1 hour' then
      delete from outbox.backfills as b
      where b.subscription_id = job.subscription_id and b.instrument_id = job.instrument_id
        and b.timeframe = job.timeframe and b.side = job.side;
    else
      update outbox.backfills as b set next_bucket = to_bucket
      where b.subscription_id = job.subscription_id and b.instrument_id = job.instrument_id
        and b.timeframe = job.timeframe and b.side = job.side;
    end if;
  end loop;
  return stretches;
end
$$;

comment on function outbox.continue_backfills(int) is
  'Queue the next stretches of history for subscriptions that asked for it, about max_candles candles; returns how many stretches were read, 0 when nothing is left or the queues have enough for now.';
grant execute on function outbox.continue_backfills(int) to foresight_publish;
