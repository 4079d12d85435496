-- Twenty batch means. What is summed is whole, so no order of adding changes a bit: x, the hits less what the base
-- rates let expect, is held times all candles, a residual times all directional verdicts as well.
create or replace function track.judge(indicator_ids int[])
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
as $$
begin
  with totals as materialized (
    select b.indicator_id, b.as_said, b.horizon, sum(b.candles) as candles
    from track.blocks as b
    where b.indicator_id = any (indicator_ids) and b.as_said in (false, true) and b.horizon = any (track.horizons()) and b.level = 5
    group by 1, 2, 3
  ),
  -- The finest level that has no more than 640 full blocks.
  levels as materialized (
    select t.*, (select count(*) from generate_series(0, 4) as l where t.candles > 16 * 640 * 4 ^ l) as level
    from totals as t
  ),
  blocks as (
    select b.*, l.candles as total,
      20 * (2 * sum(b.candles) over (partition by b.indicator_id, b.as_said, b.horizon order by b.block) - b.candles) / (2 * l.candles) as part
    from levels as l
    join track.blocks as b using (indicator_id, as_said, horizon, level)
    where b.candles > 0
  ),
  parts as (
    select b.indicator_id, b.as_said, b.horizon, b.part, sum(b.candles) as candles, sum(b.ups) as ups, sum(b.downs) as downs,
      sum(b.bullish) as bullish, sum(b.bearish) as bearish, sum(b.bullish_hits + b.bearish_hits) as hits
    from blocks as b
    group by 1, 2, 3, 4
  ),
  sums as (
    select p.*, p.bullish + p.bearish as bets,
      sum(p.candles) over whole as all_candles, sum(p.ups) over whole as all_ups, sum(p.downs) over whole as all_downs,
      sum(p.bullish) over whole as all_bullish, sum(p.bearish) over whole as all_bearish, sum(p.hits) over whole as all_hits
    from parts as p
    window whole as (partition by p.indicator_id, p.as_said, p.horizon)
  ),
  wholes as (
    select s.indicator_id, s.as_said, s.horizon, s.all_candles, s.all_ups, s.all_downs, s.all_bullish, s.all_bearish, s.all_hits,
      s.all_hits * s.all_candles - s.all_bullish * s.all_ups - s.all_bearish * s.all_downs as x,
      s.all_bullish + s.all_bearish as bets,
      count(*) as parts, count(*) filter (where s.bets > 0) as parts_with_bets,
      sum((
        (s.hits * s.all_candles - s.bullish * s.all_ups - s.bearish * s.all_downs)::numeric * (s.all_bullish + s.all_bearish)
        - (s.all_hits * s.all_candles - s.all_bullish * s.all_ups - s.all_bearish * s.all_downs)::numeric * s.bets
      ) ^ 2) as squares
    from sums as s
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
  ),
  edges as (
    select w.*, w.x::double precision / nullif(w.all_candles * w.bets, 0) as edge,
      case when w.parts = 20 and w.parts_with_bets >= 15 and w.bets >= track.verdicts_needed()
          and w.all_candles >= track.candles_needed(w.horizon)
        then sqrt(20.0::double precision / 19 * w.squares::double precision) / (w.all_candles * w.bets ^ 2)::double precision
      end as deviation
    from wholes as w
  )
  insert into track.scores as s
    (indicator_id, as_said, horizon, candles, ups, downs, bullish, bearish, hits, parts, edge, edge_low, edge_high, p_value)
  select e.indicator_id, e.as_said, e.horizon, e.all_candles, e.all_ups, e.all_downs, e.all_bullish, e.all_bearish, e.all_hits,
    e.parts_with_bets, e.edge,
    -- The quantile 0.975 of Student's t with 19 degrees of freedom.
    e.edge - 2.093024054408263 * e.deviation, e.edge + 2.093024054408263 * e.deviation,
    case when e.deviation > 0 then track.p_value(e.edge / e.deviation) when e.deviation = 0 then (e.edge = 0)::int end
  from edges as e
  on conflict (indicator_id, as_said, horizon) do update set
    candles = excluded.candles, ups = excluded.ups, downs = excluded.downs, bullish = excluded.bullish,
    bearish = excluded.bearish, hits = excluded.hits, parts = excluded.parts, edge = excluded.edge,
    edge_low = excluded.edge_low, edge_high = excluded.edge_high, p_value = excluded.p_value
  where (s.candles, s.ups, s.downs, s.bullish, s.bearish, s.hits, s.parts, s.edge, s.edge_low, s.edge_high, s.p_value)
    is distinct from (excluded.candles, excluded.ups, excluded.downs, excluded.bullish, excluded.bearish, excluded.hits,
      excluded.parts, excluded.edge, excluded.edge_low, excluded.edge_high, excluded.p_value);
  delete from track.scores as s
  where s.indicator_id = any (indicator_ids) and not exists (
    select from track.blocks as b
    where b.indicator_id = s.indicator_id and b.as_said = s.as_said and b.horizon = s.horizon and b.level = 5 and b.candles > 0
  );
  -- Finer levels than are read are for counting anew, which ends where values or candles were given up. One more level
  -- stays, as late ticks may take some candles away again.
  delete from track.blocks as b
  using (
    select c.indicator_id, c.as_said, c.horizon, l.level::smallint as level, feed.bucket(16 * c.width, c.floor_at) as floor_at
    from (
      select s.indicator_id, s.as_said, s.horizon, s.candles, t.width,
        (
          select greatest(max(k.floor_at), case when not s.as_said then indicator.values_from(d.timeframe) end)
          from feed.storage as k
          where k.level in (d.timeframe, case when s.as_said then 'verdicts' end)
        ) as floor_at
      from track.scores as s
      join indicator.definitions as d using (indicator_id)
      join feed.timeframes as t using (timeframe)
      where s.indicator_id = any (indicator_ids)
    ) as c
    cross join generate_series(0, 3) as l(level)
    where c.floor_at > '-infinity' and c.candles > 16 * 640 * 4 ^ (l.level + 1)
  ) as o
  where b.indicator_id = o.indicator_id and b.as_said = o.as_said and b.horizon = o.horizon and b.level = o.level
    and b.block < o.floor_at;
end
$$;

comment on function track.judge(int[]) is
  'Write track.scores of indicators anew from track.blocks: how much more often their directional verdicts came true than the price went that way anyhow, with the interval at 95 % from twenty batches of time with equally many candles. Blocks that are never read again go.';
