-- From changed minutes to candle deltas, in one transaction and under one lock:
-- 1. read the marks; 2. in later statements, which see every tick those marks stand for, read the
-- candles and store those that differ, with a new revision; 3. queue them for who wants them;
-- 4. remove the marks that did not change meanwhile.
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
as $$
declare
  horizon timestamptz;
  marks outbox.changes[];
  wanted record;
  found_count int;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'outbox.capture_deltas must run at read committed' using errcode = 'ISOLA';
  end if;
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  horizon := feed.refresh_horizon();

  select array_agg(c) into marks
  from (
    select c.* from outbox.changes as c
    where c.changed_from >= horizon or c.refreshed_revision = c.revision
    order by c.minute desc
    limit max_changes
  ) as c;
  change_count := coalesce(cardinality(marks), 0);
  delta_count := 0;
  if change_count = 0 then
    return;
  end if;

  for wanted in
    select t.timeframe, t.width
    from feed.timeframes as t
    where exists (
      select from outbox.filters as f
      where (f.timeframe is null or f.timeframe = t.timeframe)
        and (f.instrument_id is null or f.instrument_id in (select m.instrument_id from unnest(marks) as m))
    )
    order by t.width
  loop
    execute format(
      $statement$
      with touched as (
        -- Buckets side by side become one range, so that a bulk load is read in one go.
        select m.instrument_id, unnest(range_agg(tstzrange(
          date_bin(%1$L::interval, m.changed_from, '2000-01-03Z'),
          date_bin(%1$L::interval, m.changed_to, '2000-01-03Z') + %1$L::interval))) as range
        from unnest($1) as m
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
        cross join lateral (
          select * from feed.%3$I as c
          where c.instrument_id = t.instrument_id and c.bucket >= lower(t.range) and c.bucket < upper(t.range)
        ) as c
        join wanted as w on w.instrument_id = t.instrument_id
        cross join lateral (values
          ('bid', c.bid_open, c.bid_high, c.bid_low, c.bid_close, c.bid_sum, c.bid_count),
          ('ask', c.ask_open, c.ask_high, c.ask_low, c.ask_close, c.ask_sum, c.ask_count),
          ('mid', c.mid_open, c.mid_high, c.mid_low, c.mid_close, c.mid_sum, c.mid_count),
          ('last', c.last_open, c.last_high, c.last_low, c.last_close, c.last_sum, c.last_count)
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
          is_closed = old.is_closed or excluded.is_closed,
          revision = excluded.revision, captured_at = excluded.captured_at
        where (old.open, old.high, old.low, old.close, old.volume, old.tick_count)
          is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.tick_count)
          or abs(old.sum - excluded.sum) > 1e-9 * abs(excluded.sum)
        returning instrument_id, timeframe, side, bucket, is_closed, revision
      ),
      queued as (select outbox.queue_deliveries(array_agg(row(s.*)::outbox.delta)) from stored as s having count(*) > 0)
      select count(*)::int from stored, (select count(*) from queued) as q
      $statement$,
      wanted.width, wanted.timeframe, 'candles_' || wanted.timeframe)
    into found_count using marks;
    delta_count := delta_count + found_count;
  end loop;

  delete from outbox.changes as c
  using (
    select c.instrument_id, c.minute
    from outbox.changes as c
    join unnest(marks) as m on m.instrument_id = c.instrument_id and m.minute = c.minute and m.revision = c.revision
    for update of c skip locked
  ) as done
  where c.instrument_id = done.instrument_id and c.minute = done.minute;

  perform pg_notify('dashboard', 'prices');
end
$$;

comment on function outbox.capture_deltas(int) is
  'Turn up to max_changes changed minutes into candle deltas and queue them for their subscriptions. Returns how many minutes were read, and how many candles were new or different. Newest minutes first. Late ticks wait for outbox.refresh_late. Error ISOLA: not at read committed.';
grant execute on function outbox.capture_deltas(int) to foresight_publish;
