-- A queue may lose what it took: somebody purges it, or a service is down for longer than the queue keeps a message.
-- Nobody hears of that, so what was captured is compared with what was computed. The indicators of a service on a
-- series that have one pace are computed together, so the oldest stands for them. A message that is only slow is no
-- matter: its service has computed nothing yet that was captured so much later.
--
-- The newest buckets of each series are looked at, and as many somewhere further back, for what came in late: by their key,
-- as an index by the time of capture would have to be changed with every tick.
create or replace function indicator.find_missed(overtaken_by interval default '2 minutes', max_buckets int default 600)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_custom_plan
as $$
declare
  newly record;
  -- A constant to the planner, as in indicator.values_at.
  values_since timestamptz := clock_timestamp() - interval '7 days';
  found_count int := 0;
begin
  for newly in
    with probes as materialized (
      select p.*, o.subscription_id, t.width, d.created_at, d.bars_window,
        f.floor_at as candles_floor_at, greatest(indicator.values_from(p.timeframe), values_since) as values_floor_at
      from (
        select d.service, d.instrument_id, d.timeframe, d.side, min(d.indicator_id) as indicator_id
        from indicator.definitions as d
        group by 1, 2, 3, 4, d.forming_every
      ) as p
      join indicator.definitions as d using (indicator_id)
      join feed.timeframes as t on t.timeframe = p.timeframe
      join feed.storage as f on f.level = p.timeframe
      join outbox.subscriptions as o on o.name = indicator.subscription_of(p.service) and not o.is_paused
      where not exists (select from indicator.backfills as b where b.indicator_id = p.indicator_id)
    ),
    reached as materialized (
      select p.service, max(c.captured_at) - overtaken_by as captured_before
      from probes as p
      join indicator.newest_values(array(select p.indicator_id from probes as p)) as v using (indicator_id)
      cross join lateral (
        select c.captured_at
        from outbox.candles as c
        where c.instrument_id = p.instrument_id and c.timeframe = p.timeframe and c.side = p.side and c.bucket = v.bucket
          and c.revision <= v.revision
        offset 0
      ) as c
      group by p.service
    ),
    stretches as materialized (
      select p.*, r.captured_before, s.from_bucket
      from probes as p
      join reached as r on r.service = p.service
      cross join lateral (
        select clock_timestamp() - p.width * max_buckets as from_bucket
        union all
        -- Most that is late is little late.
        select clock_timestamp() - (p.width * max_buckets + interval '7 days' * power(random(), 4))
      ) as s
    ),
    missed as materialized (
      select distinct s.service, c.instrument_id, c.timeframe, c.side, c.bucket, c.revision, c.captured_at
      from stretches as s
      cross join lateral (
        select c.*
        from outbox.candles as c
        where c.instrument_id = s.instrument_id and c.timeframe = s.timeframe and c.side = s.side
          and c.bucket >= greatest(s.from_bucket, s.values_floor_at) and c.bucket < s.from_bucket + s.width * max_buckets
        offset 0
      ) as c
      left join lateral (
        select v.revision from indicator.values as v
        where v.indicator_id = s.indicator_id and v.bucket = c.bucket and v.bucket >= values_since
        offset 0
      ) as v on true
      where c.is_closed and not c.is_of_backfill
        -- Before, it is history to the indicator.
        and c.captured_at between s.created_at + interval '10 seconds' and s.captured_before
        and coalesce(v.revision, -1) < c.revision
        -- Candles of its window were given up since: its value stays as it was with them.
        and c.bucket - s.width * s.bars_window >= s.candles_floor_at
        and not exists (
          select from indicator.pending as p
          where p.service = s.service and p.instrument_id = c.instrument_id and p.timeframe = c.timeframe and p.side = c.side
            and p.bucket = c.bucket
        )
        and not exists (
          select from outbox.deliveries as w
          where w.subscription_id = s.subscription_id and w.instrument_id = c.instrument_id and w.timeframe = c.timeframe
            and w.side = c.side and w.bucket = c.bucket
        )
    ),
    -- What could not be computed is told as that.
    unheard as (
      select m.*
      from missed as m
      join feed.instruments as i using (instrument_id)
      where not exists (
        select from indicator.dead_letters as l
        where l.service = m.service and l.reason = 'not_computed'
          and md5(l.body) = md5(jsonb_build_object('symbol', i.symbol, 'timeframe', m.timeframe, 'side', m.side,
            'bucket', m.bucket, 'revision', m.revision)::text)
      )
    ),
    noted as (
      insert into indicator.missed as old (service, instrument_id, timeframe, side, bucket, revision, captured_at)
      select u.* from unheard as u
      order by 1, 2, 3, 4, 5
      on conflict on constraint missed_pkey do update
        set revision = excluded.revision, captured_at = excluded.captured_at, found_at = excluded.found_at
        -- Once is enough: who does not compute it then has another fault.
        where excluded.revision > old.revision
      returning service, instrument_id, timeframe, side, bucket, revision
    )
    select n.service, array_agg(i.symbol) as symbols, array_agg(n.timeframe) as timeframes, array_agg(n.side) as sides,
      array_agg(n.bucket) as buckets, array_agg(n.revision) as revisions
    from noted as n
    join feed.instruments as i using (instrument_id)
    group by n.service
    order by n.service
  loop
    found_count := found_count + cardinality(newly.symbols);
    perform indicator.accept_candles(newly.service, newly.symbols, newly.timeframes, newly.sides, newly.buckets, newly.revisions);
    perform indicator.nudge(newly.service);
  end loop;
  return found_count;
end
$$;

comment on function indicator.find_missed(interval, int) is
  'Find closed candles of the last 7 days that a service has not computed, and that nothing will tell it of any more, though it has computed what was captured overtaken_by later: keep them in indicator.missed and have them computed. Looks at the newest max_buckets of each series, and at as many at a random time before. Returns how many were found.';
grant execute on function indicator.find_missed(interval, int) to foresight_upkeep;
