-- A day at a time, each in one snapshot, so that a tick that comes meanwhile is in both or in neither.
create or replace procedure ops.reconcile(from_time timestamptz, to_time timestamptz, repair boolean default true)
language plpgsql
as $$
declare
  day timestamptz;
  last_day timestamptz := least(to_time, now() + interval '1 day');
  compared_count bigint;
  different_count bigint;
  left_count bigint;
  found jsonb;
  wrong record;
begin
  day := feed.bucket(interval '1 day', greatest(from_time, (select s.dropped_to from feed.storage as s where s.level = 'ticks')));
  loop
    -- The next day that has ticks.
    select feed.bucket(interval '1 day', min(first.observed_at)) into day
    from feed.instruments as i
    cross join lateral (
      select t.observed_at from feed.ticks as t
      where t.instrument_id = i.instrument_id and t.observed_at >= day
      order by t.observed_at limit 1
    ) as first;
    exit when day is null or day >= last_day;
    commit;
    set transaction isolation level repeatable read;
    select sum(c.compared), coalesce(sum(cardinality(c.buckets)), 0),
      coalesce(jsonb_agg(jsonb_build_object('timeframe', c.timeframe, 'instrument_ids', c.instrument_ids, 'buckets', c.buckets))
        filter (where c.buckets is not null), '[]')
    into compared_count, different_count, found
    from ops.compare_candles(day, day + interval '1 day') as c;
    commit;
    left_count := different_count;
    if different_count > 0 and repair then
      call feed.refresh_candles(day, day + interval '1 day' - interval '1 microsecond', force => true);
      -- What was repaired is a change like any other: it is captured, and goes out.
      insert into outbox.changes as c (instrument_id, minute, changed_from, changed_to, generation)
      select k.instrument_id::int, date_trunc('minute', b.bucket::timestamptz), min(b.bucket::timestamptz), max(b.bucket::timestamptz),
        g.last_value
      from outbox.change_generation as g, jsonb_array_elements(found) as f(level)
      cross join lateral jsonb_array_elements_text(f.level -> 'instrument_ids') with ordinality as k(instrument_id, place)
      join lateral jsonb_array_elements_text(f.level -> 'buckets') with ordinality as b(bucket, place) on b.place = k.place
      group by 1, 2, g.last_value
      order by 1, 2
      on conflict (instrument_id, minute, generation) do update set
        changed_from = least(c.changed_from, excluded.changed_from),
        changed_to = greatest(c.changed_to, excluded.changed_to),
        revision = nextval('outbox.change_revision');
      commit;
      set transaction isolation level repeatable read;
      select count(*) into left_count
      from ops.compare_candles(day, day + interval '1 day') as c
      cross join lateral unnest(c.instrument_ids, c.buckets) as n(instrument_id, bucket)
      join jsonb_array_elements(found) as f(level) on f.level ->> 'timeframe' = c.timeframe;
      commit;
    end if;
    insert into ops.reconciliations (from_time, to_time, compared, different, unrepaired, samples)
    select day, day + interval '1 day', compared_count, different_count, left_count,
      coalesce((
        select jsonb_agg(jsonb_build_object('timeframe', s.timeframe, 'symbol', i.symbol, 'bucket', s.bucket))
        from (
          select f.level ->> 'timeframe' as timeframe, k.instrument_id::int as instrument_id, b.bucket
          from jsonb_array_elements(found) as f(level)
          cross join lateral jsonb_array_elements_text(f.level -> 'instrument_ids') with ordinality as k(instrument_id, place)
          join lateral jsonb_array_elements_text(f.level -> 'buckets') with ordinality as b(bucket, place) on b.place = k.place
          limit 20
        ) as s
        join feed.instruments as i using (instrument_id)
      ), '[]');
    commit;
    day := day + interval '1 day';
  end loop;
end
$$;

comment on procedure ops.reconcile(timestamptz, timestamptz, boolean) is
  'Compare the candles of the days that meet [from_time, to_time) (UTC) with their ticks, in every timeframe; with repair, compute those that differ again and publish them. Writes a row per day into ops.reconciliations. Days whose ticks were dropped are left out. A statement of its own, by the owner. Error 55P03: another refresh runs now; try again later.';
