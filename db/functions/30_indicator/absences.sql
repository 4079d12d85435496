-- Each page asks this at each refresh, so what is equal for an instrument, a timeframe or a service is looked up once,
-- and the ticks only where no candle tells: in PL/pgSQL, which keeps its plan.
create or replace function indicator.absences(indicator_ids int[])
returns table (indicator_id int, reason text, words text)
language plpgsql
stable strict
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
begin
  return query
  with asked as materialized (
    select d.indicator_id, d.instrument_id, i.symbol, i.is_active, d.timeframe, t.width, f.grace, d.side, d.is_side_open,
      k.service, k.closed_only, d.bars_required, v.bucket, coalesce(v.bars, 0) as bars, v.computed_at,
      -- One that reads the counts of ticks too does without sizes.
      v.bars >= d.bars_required and 'volume' = any (k.columns) and 'tick_count' <> all (k.columns) as may_lack_sizes,
      d.side <> 'mid' and 'spread' = any (k.columns) as lacks_spread
    from indicator.definitions as d
    join feed.instruments as i using (instrument_id)
    join feed.sources as f using (source)
    join feed.timeframes as t using (timeframe)
    join indicator.kinds as k using (kind)
    left join indicator.newest_values(indicator_ids) as v using (indicator_id)
    where d.indicator_id = any (indicator_ids) and v.verdict is null
  ),
  -- As many ticks as indicator.side_of looks at.
  ticked as materialized (
    select a.instrument_id, n.sides, n.has_sizes
    from (select distinct a.instrument_id from asked as a where a.bucket is null or a.may_lack_sizes) as a
    cross join lateral (
      select bool_or(t.size is not null) as has_sizes, array_remove(array[
        case when bool_or(t.bid + t.ask is not null) then 'mid' end, case when bool_or(t.last is not null) then 'last' end,
        case when bool_or(t.bid is not null) then 'bid' end, case when bool_or(t.ask is not null) then 'ask' end], null) as sides
      from feed.recent_ticks(a.instrument_id, 100) as t
    ) as n
  ),
  begun as materialized (
    select a.instrument_id, a.timeframe, feed.history_start(a.instrument_id, a.timeframe) as start_at
    from (select distinct a.instrument_id, a.timeframe from asked as a where a.bars < a.bars_required) as a
  ),
  services as materialized (
    select s.service,
      exists (select from ops.processes as p where s.service = any (p.services) and p.seen_at > now() - l.silence) as is_running,
      exists (select from outbox.subscriptions as o where o.name = indicator.subscription_of(s.service) and o.is_paused) as is_paused
    from (select distinct a.service from asked as a) as s
    cross join feed.fault_limits as l
  ),
  -- Anybody may have written the bodies, so they are compared and not read.
  letters as materialized (
    select l.service, l.detail, l.body, l.failed_at, substring(l.detail from '^indicator (\d{1,9}) ')::int as indicator_id
    from indicator.dead_letters as l
    where l.reason = 'not_computed'
  ),
  known as (
    select a.*, k.sides, k.has_sizes, b.start_at, s.is_running, s.is_paused, h.next_bucket, c.closes_at, c.has_closed,
      l.detail, case when a.bars > 1 then greatest(a.width, (a.bucket - b.start_at) / (a.bars - 1)) else a.width end as every
    from asked as a
    join services as s using (service)
    left join ticked as k using (instrument_id)
    left join begun as b using (instrument_id, timeframe)
    left join indicator.backfills as h on h.indicator_id = a.indicator_id
    left join lateral (
      select o.closes_at, o.is_closed or exists (
        select from outbox.candles as e
        where e.instrument_id = o.instrument_id and e.timeframe = o.timeframe and e.side = o.side and e.is_closed
      ) as has_closed
      from outbox.candles as o
      where a.bucket is null and o.instrument_id = a.instrument_id and o.timeframe = a.timeframe and o.side = a.side
      order by o.bucket desc
      limit 1
    ) as c on true
    left join lateral (
      select l.detail
      from letters as l
      where l.service = a.service and l.failed_at > coalesce(a.computed_at, '-infinity')
        and (l.indicator_id is null or l.indicator_id = a.indicator_id)
        and strpos(l.body, format('"side": "%s"', a.side)) > 0
        and strpos(l.body, format('"symbol": "%s"', a.symbol)) > 0
        and strpos(l.body, format('"timeframe": "%s"', a.timeframe)) > 0
      order by l.failed_at desc
      limit 1
    ) as l on true
  ),
  told as (
    select k.*, case
        when k.sides = '{}' and k.closes_at is null and k.bucket is null then 'no_price'
        when k.side <> all (k.sides) and k.closes_at is null and k.bucket is null and not k.is_side_open then 'no_side'
        when not k.is_running then 'no_service'
        when k.next_bucket is not null then 'history'
        when k.detail is not null then 'set_aside'
        when k.is_paused and k.bars < k.bars_required then 'paused'
        when k.bucket is null and k.closed_only and k.closes_at is not null and not k.has_closed then 'not_closed'
        when k.bucket is null then 'waiting'
        when k.bars < k.bars_required then 'too_few'
        when k.may_lack_sizes and not k.has_sizes then 'no_sizes'
        when k.lacks_spread then 'no_spread'
        else 'no_value'
      end as reason,
      k.bucket + k.every * (k.bars_required - k.bars) + case when k.closed_only then k.width + k.grace else '0' end as expected_at
    from known as k
  )
  select t.indicator_id, t.reason, case t.reason
      when 'no_price' then case when t.start_at is null then 'no price yet' else 'no price is kept' end
      when 'no_side' then format('no %s prices, only %s', t.side, array_to_string(t.sides, ', '))
      when 'no_service' then format('service %s is not running', t.service)
      when 'history' then format('history is being computed, %s %%', coalesce(floor(100 * least(1, greatest(0,
        extract(epoch from greatest(t.next_bucket, t.start_at) - t.start_at) / nullif(extract(epoch from now() - t.start_at), 0)))), 0))
      when 'set_aside' then format('could not be computed: %s', left(regexp_replace(t.detail, '^indicator \d+ \([^)]*\) cannot be computed at [^:]*:\d\d:\d\d\+00: ', ''), 80))
      when 'paused' then format('subscription %s is paused', indicator.subscription_of(t.service))
      when 'not_closed' then format('no candle has closed yet, the first does at %s', indicator.clock_time(t.closes_at))
      when 'waiting' then 'first candle is on its way'
      when 'too_few' then format('warming up %s of %s', t.bars, t.bars_required) || case
        when t.bucket + greatest(2 * t.width, t.every * 2) + t.width + t.grace < now()
          then format(', no candle since %s', indicator.clock_time(t.bucket + t.width))
        -- Where candles come as they please, nobody can tell.
        when t.is_active and t.every <= 2 * t.width and t.expected_at > now() then format(', about %s', indicator.clock_time(t.expected_at))
        else ''
      end
      when 'no_sizes' then 'no trade has a size'
      when 'no_spread' then format('%s prices have no spread, only mid', t.side)
      else 'these candles allow no value'
    end as words
  from told as t;
end
$$;

comment on function indicator.absences(int[]) is
  'Why each of these indicators has no verdict, if it has none: reason no_price no tick came yet, no_side its instrument has no such prices, no_service nobody computes, history it is being computed, set_aside its candle could not be computed (indicator.dead_letters), paused its service is told nothing, not_closed it reads closed candles only and there is none, waiting its first candle is not computed yet, too_few candles, no_sizes it reads volume and there is none, no_spread it reads the spread and its side is not mid, no_value these candles allow none. words says it in UTC.';
