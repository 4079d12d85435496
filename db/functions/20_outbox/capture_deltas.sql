-- From changed minutes to candle deltas, in one transaction and under one lock:
-- 1. read the marks; 2. in later statements, which see every tick those marks stand for, read the
-- candles and store those that differ, with a new revision; 3. queue them for who wants them;
-- 4. remove the marks that did not change meanwhile. Writers mark in the next generation from the
-- beginning of the capture on, so only those who were at work at that moment can change these.
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
  wanted record;
  piece record;
  found outbox.delta[];
  deltas outbox.delta[] := '{}';
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

  for wanted in
    select t.timeframe, t.width, f.side_rows
    from feed.timeframes as t
    cross join lateral (
      -- A row a side that somebody wants: of a side that is not read, nothing is aggregated.
      select string_agg(distinct replace(
        $row$('SIDE', c.SIDE_open, c.SIDE_high, c.SIDE_low, c.SIDE_close, c.SIDE_sum, c.SIDE_count)$row$,
        'SIDE', f.side), ', ') as side_rows
      from outbox.filters as f
      where (f.timeframe is null or f.timeframe = t.timeframe)
        and (f.instrument_id is null or f.instrument_id in (select m.instrument_id from unnest(marks) as m))
    ) as f
    where f.side_rows is not null
    order by t.width
  loop
    -- The bounds of time must be constants: with a value of a join, a continuous aggregate would
    -- aggregate the instrument's whole history. So what is near in time is read together.
    for piece in
      select lower(p.range) as from_bucket, upper(p.range) - p.gap as to_bucket,
        array_agg(p.instrument_id) as instrument_ids, array_agg(p.changed_at) as changed_at
      from (
        select r.range, near.gap, m.instrument_id, min(m.marked_at) as changed_at
        from (select greatest(wanted.width * 60, interval '1 hour') as gap) as near
        cross join lateral unnest((
          select range_agg(tstzrange(
            feed.bucket(wanted.width, m.changed_from),
            feed.bucket(wanted.width, m.changed_to) + wanted.width + near.gap))
          from unnest(marks) as m
        )) as r(range)
        join unnest(marks) as m on m.changed_from <@ r.range
        group by r.range, near.gap, m.instrument_id
      ) as p
      group by p.range, p.gap
    loop
      execute format(
        $statement$
        with touched as (
          -- Buckets side by side become one range, so that a bulk load is read in one go.
          select m.instrument_id, unnest(range_agg(tstzrange(
            feed.bucket(%1$L::interval, m.changed_from),
            feed.bucket(%1$L::interval, m.changed_to) + %1$L::interval))) as range
          from unnest($1) as m
          where m.changed_from >= %4$L and m.changed_from < %5$L
          group by m.instrument_id
        ),
        wanted as (
          select distinct i.instrument_id, f.side, s.grace
          from (select distinct t.instrument_id from touched as t) as t
          join feed.instruments as i using (instrument_id)
          join feed.sources as s using (source)
          join outbox.filters as f
            on (f.timeframe is null or f.timeframe = %2$L) and (f.instrument_id is null or f.instrument_id = i.instrument_id)
        ),
        current as (
          select w.instrument_id, w.side, c.bucket, p.*, c.volume, c.bucket + %1$L::interval + w.grace as closes_at
          from touched as t
          join feed.%3$I as c on c.instrument_id = t.instrument_id and c.bucket <@ t.range
            and c.instrument_id = any (%6$L::int[]) and c.bucket >= %4$L and c.bucket < %5$L
          join wanted as w on w.instrument_id = t.instrument_id
          cross join lateral (values %7$s
          ) as p(of_side, open, high, low, close, sum, tick_count)
          where p.of_side = w.side and p.tick_count > 0
        ),
        stored as (
          insert into outbox.candles as old
            (instrument_id, timeframe, side, bucket, open, high, low, close, sum, volume, tick_count,
             closes_at, is_closed, revision, captured_at)
          select c.instrument_id, %2$L, c.side, c.bucket, c.open, c.high, c.low, c.close, c.sum, c.volume,
            c.tick_count, c.closes_at, c.closes_at <= clock_timestamp(), nextval('outbox.revision'), clock_timestamp()
          from current as c
          order by c.instrument_id, c.side, c.bucket
          on conflict (instrument_id, timeframe, side, bucket) do update set
            open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            sum = excluded.sum, volume = excluded.volume, tick_count = excluded.tick_count,
            is_closed = old.is_closed or excluded.is_closed, is_of_catch_up = false,
            revision = excluded.revision, captured_at = excluded.captured_at
          -- Sums depend on the order of addition in their last bits: that is no change.
          where (old.open, old.high, old.low, old.close, old.tick_count, old.volume is null)
            is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.tick_count, excluded.volume is null)
            or abs(old.sum - excluded.sum) > 1e-9 * abs(excluded.sum)
            or abs(old.volume - excluded.volume) > 1e-9 * abs(excluded.volume)
          returning instrument_id, timeframe, side, bucket, is_closed, revision
        )
        -- Not by a join: the planner expects one candle, and would read all marks again for each of thousands.
        select array_agg(row(s.*, (%8$L::timestamptz[])[array_position(%6$L::int[], s.instrument_id)])::outbox.delta)
        from stored as s
        $statement$,
        wanted.width, wanted.timeframe, 'candles_' || wanted.timeframe,
        piece.from_bucket, piece.to_bucket, piece.instrument_ids, wanted.side_rows,
        piece.changed_at)
      into found using marks;
      deltas := deltas || found;
    end loop;
  end loop;
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
