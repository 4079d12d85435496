-- Under the capture's lock, as all that stores captured candles: what changes later is captured later, and
-- has a higher revision. The history is read only as fast as the queue takes it, so a year of minutes is
-- neither one transaction nor a table full of deliveries, and live candles wait behind a short line.
create or replace function outbox.continue_catch_ups(max_candles int default 1000)
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
  deltas outbox.delta[];
  candle_count int := 0;
  stretches int := 0;
begin
  if not exists (select from outbox.catch_ups) then
    return 0;
  end if;
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  -- Every later capture and closing sees these subscriptions.
  update outbox.catch_ups as c set since_revision = (select last_value from outbox.revision)
  where c.since_revision is null;
  for job in
    select c.subscription_id, c.instrument_id, c.timeframe, c.side, c.next_bucket, c.since_revision, t.width, s.closed_only, o.grace
    from outbox.catch_ups as c
    join outbox.subscriptions as s using (subscription_id)
    join feed.timeframes as t using (timeframe)
    join feed.instruments as i using (instrument_id)
    join feed.sources as o using (source)
    where outbox.may_catch_up(s)
    order by c.next_bucket, c.subscription_id, c.instrument_id, t.width, c.side
    limit 50
  loop
    exit when candle_count >= max_candles;
    stretches := stretches + 1;
    -- A gap in the history is jumped over.
    from_bucket := feed.next_bucket(job.instrument_id, job.timeframe, job.next_bucket);
    to_bucket := from_bucket + job.width * max_candles;
    if from_bucket is not null then
      execute format(
        $statement$
        with current as (
          select c.bucket, c.%1$s_open as open, c.%1$s_high as high, c.%1$s_low as low, c.%1$s_close as close,
            c.%1$s_sum as sum, c.volume, c.%1$s_count as tick_count, c.bucket + %2$L::interval as closes_at
          from feed.%3$I as c
          where c.instrument_id = %4$s and c.bucket >= %5$L and c.bucket < %6$L and c.%1$s_count > 0
        ),
        added as (
          -- As if it had been captured when it closed: outbox.purge forgets it soon after it is sent.
          insert into outbox.candles
            (instrument_id, timeframe, side, bucket, open, high, low, close, sum, volume, tick_count,
             closes_at, is_closed, revision, captured_at, is_of_catch_up)
          select %4$s, %7$L, %1$L, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume, c.tick_count,
            c.closes_at, c.closes_at <= clock_timestamp(), nextval('outbox.revision'), least(c.closes_at, clock_timestamp()), true
          from current as c
          -- One that a capture still has to read is left to it: it tells all subscriptions, this one too.
          where not exists (
            select from outbox.changes as m
            where m.instrument_id = %4$s
              and m.changed_to >= c.bucket and m.changed_from < c.bucket + %8$L::interval
          )
          order by c.bucket
          on conflict (instrument_id, timeframe, side, bucket) do nothing
          returning bucket, is_closed, revision
        ),
        captured as (
          select a.bucket, a.is_closed, a.revision from added as a
          union all
          select o.bucket, o.is_closed, o.revision
          from outbox.candles as o
          where o.instrument_id = %4$s and o.timeframe = %7$L and o.side = %1$L and o.bucket in (select c.bucket from current as c)
            and (o.is_of_catch_up or o.revision <= %9$s)
        )
        select array_agg(row(%4$s, %7$L, %1$L, c.bucket, c.is_closed, c.revision, clock_timestamp())::outbox.delta) from captured as c
        $statement$,
        job.side, job.width + job.grace, 'candles_' || job.timeframe, job.instrument_id, from_bucket, to_bucket, job.timeframe, job.width, job.since_revision)
      into deltas;
      candle_count := candle_count + coalesce(cardinality(deltas), 0);
      perform outbox.queue_deliveries(deltas, only_subscription => job.subscription_id);
    end if;
    -- Not where somebody asked for more meanwhile.
    if from_bucket is null or to_bucket > clock_timestamp() + interval '1 hour' then
      delete from outbox.catch_ups as c
      where c.subscription_id = job.subscription_id and c.instrument_id = job.instrument_id
        and c.timeframe = job.timeframe and c.side = job.side
        and c.next_bucket = job.next_bucket;
    else
      update outbox.catch_ups as c set next_bucket = to_bucket
      where c.subscription_id = job.subscription_id and c.instrument_id = job.instrument_id
        and c.timeframe = job.timeframe and c.side = job.side
        and c.next_bucket = job.next_bucket;
    end if;
  end loop;
  return stretches;
end
$$;

comment on function outbox.continue_catch_ups(int) is
  'Queue the next stretches of history for subscriptions that asked for it, about max_candles candles; returns how many stretches were read, 0 when nothing is left or the queues have enough for now.';
grant execute on function outbox.continue_catch_ups(int) to foresight_publish;
