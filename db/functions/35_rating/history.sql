-- Bounds in time are constants to the planner, as in indicator.values_at.
create or replace function rating.history(
  symbol text, timeframe text, side text default null, from_time timestamptz default null,
  to_time timestamptz default 'infinity', as_said boolean default false
)
returns table (
  bucket timestamptz, rating double precision, band text, moving_averages double precision, oscillators double precision,
  buy int, neutral int, sell int, counted int, votes int
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  rated_side text := rating.side_of(history.symbol, history.timeframe, history.side);
  rated_instrument_id int := feed.instrument_id(history.symbol);
  width interval := feed.timeframe_width(history.timeframe);
  closed_to timestamptz := (
    select now() - width - s.grace
    from feed.instruments as i join feed.sources as s using (source) where i.instrument_id = rated_instrument_id);
  first_bucket timestamptz := coalesce(from_time, (
    select max(n.bucket) - 99 * width
    from indicator.newest_values(array(
      select d.indicator_id
      from rating.votes as v
      join indicator.definitions as d using (kind, params)
      where d.instrument_id = rated_instrument_id and d.timeframe = history.timeframe and d.side = rated_side
    ), least(closed_to, to_time - interval '1 microsecond')) as n
  ));
  -- Of what is not asked for, no chunk is opened either.
  first_value timestamptz := case when as_said then 'infinity' else first_bucket end;
  first_said timestamptz := case when as_said then first_bucket else 'infinity' end;
begin
  return query
  with voters as materialized (
    select d.indicator_id, v.vote_group, v.weight
    from rating.votes as v
    join indicator.definitions as d using (kind, params)
    where d.instrument_id = rated_instrument_id and d.timeframe = history.timeframe and d.side = rated_side
  )
  select r.bucket, t.rating, rating.band(t.rating), t.moving_averages, t.oscillators,
    t.buy, t.neutral, t.sell, t.counted, (select count(*)::int from rating.votes as v where v.weight > 0)
  from (
    select n.bucket, array_agg(n.vote_group) as vote_groups, array_agg(n.weight) as weights, array_agg(n.verdict) as verdicts
    from (
      select o.vote_group, o.weight, n.bucket, n.verdict
      from voters as o
      join indicator.values as n using (indicator_id)
      where n.bucket >= first_value and n.bucket < to_time and n.bucket <= closed_to
      union all
      (
        select distinct on (o.indicator_id, n.bucket) o.vote_group, o.weight, n.bucket, n.verdict
        from voters as o
        join indicator.verdicts as n using (indicator_id)
        where n.bucket >= first_said and n.bucket < to_time
        order by o.indicator_id, n.bucket, n.revision
      )
    ) as n
    group by n.bucket
  ) as r
  cross join lateral rating.tally(r.vote_groups, r.weights, r.verdicts) as t
  where t.counted > 0
  order by r.bucket;
end
$$;

comment on function rating.history(text, text, text, timestamptz, timestamptz, boolean) is
  'The ratings of closed candles, oldest first, from from_time (null: the last 100 buckets) to before to_time (UTC): of the values as they are now, or, as_said, of what was first said when each candle closed. Votes and weights are those of now. side null: the one there is. Errors: NOINS, NOTFR, NORAT the set rating was not added there.';
