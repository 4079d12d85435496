-- Candles are read for instruments that have their newest tick on the same day, with constants as
-- bounds: with a value of a join, a continuous aggregate would aggregate all history. Planning
-- through the stacked aggregates takes tens of milliseconds, so this is not read for every push.
create or replace function dashboard.trends()
returns table (instrument_id int, day_open double precision, opened_at timestamptz, closes double precision[])
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
  newest feed.ticks[];
  day record;
begin
  select array_agg(t.tick) into newest
  from feed.instruments as i
  cross join lateral (
    select t as tick from feed.ticks as t
    where t.instrument_id = i.instrument_id
    order by t.observed_at desc limit 1
  ) as t
  where i.is_active;

  for day in
    select feed.bucket('1 day', n.observed_at) as opened_at, array_agg(n.instrument_id) as instrument_ids,
      min(n.observed_at) as from_time, max(n.observed_at) as to_time
    from unnest(newest) as n group by 1
  loop
    return query execute format(
      'select n.instrument_id, o.open, %1$L::timestamptz, coalesce(s.closes, ''{}'')
       from unnest($1) as n
       left join (
         select c.instrument_id, coalesce(c.last_open, c.mid_open, c.bid_open, c.ask_open) as open
         from feed.candles_1d as c
         where c.instrument_id = any (%2$L::int[]) and c.bucket >= %1$L and c.bucket <= %1$L
       ) as o using (instrument_id)
       left join (
         select c.instrument_id,
           array_agg(coalesce(c.last_close, c.mid_close, c.bid_close, c.ask_close) order by c.bucket) as closes
         from feed.candles_15m as c
         join unnest($1) as n on n.instrument_id = c.instrument_id
           and c.bucket > n.observed_at - interval ''450 minutes''
         where c.instrument_id = any (%2$L::int[]) and c.bucket > %3$L and c.bucket <= %4$L
         group by c.instrument_id
       ) as s using (instrument_id)
       where n.instrument_id = any (%2$L::int[])',
      day.opened_at, day.instrument_ids, day.from_time - interval '450 minutes', day.to_time)
    using newest;
  end loop;
end
$$;

comment on function dashboard.trends() is
  'Per active instrument with ticks: the price at its first candle of the UTC day of its newest tick (the day begins at opened_at), and the closes of the last 30 candles of 15 minutes, oldest first.';
grant execute on function dashboard.trends() to foresight_web;
