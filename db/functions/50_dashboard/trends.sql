-- Candles are read for instruments that have their newest tick on the same day, as one statement has one range
-- of time. Planning through the stacked aggregates takes tens of milliseconds, so this is not read for every
-- push. Days and quarters of an hour are put together from the coarsest candles they can be made of.
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
  -- What an instrument is known by, best first, as dashboard.watchlist has it.
  sides text[] := array['last', 'mid', 'bid', 'ask'];
  reach interval := 30 * interval '15 minutes';
  newest feed.newest_ticks[];
  day record;
begin
  select array_agg(k) into newest
  from feed.instruments as i
  join feed.newest_ticks as k using (instrument_id)
  where i.is_active;

  for day in
    select feed.bucket('1 day', n.observed_at) as opened_at, array_agg(n.instrument_id) as instrument_ids,
      min(n.observed_at) as from_time, max(n.observed_at) as to_time
    from unnest(newest) as n group by 1
  loop
    return query
    with opens as (
      select distinct on (c.instrument_id) c.instrument_id, feed.without_noise(c.open, c.side) as open
      from feed.read_candles(feed.timeframe_dividing('1 day'), day.instrument_ids, sides,
        day.opened_at, day.opened_at + interval '1 day') as c
      order by c.instrument_id, array_position(sides, c.side), c.bucket
    ),
    quarters as (
      select distinct on (c.instrument_id, 2) c.instrument_id, feed.bucket('15 minutes', c.bucket) as bucket,
        feed.without_noise(c.close, c.side) as close
      from feed.read_candles(feed.timeframe_dividing('15 minutes'), day.instrument_ids, sides,
        day.from_time - reach, day.to_time + interval '1 microsecond') as c
      order by c.instrument_id, 2, array_position(sides, c.side), c.bucket desc
    )
    select n.instrument_id, o.open, day.opened_at,
      array(
        select q.close from quarters as q
        where q.instrument_id = n.instrument_id and q.bucket > n.observed_at - reach
        order by q.bucket
      )
    from unnest(newest) as n
    left join opens as o using (instrument_id)
    where n.instrument_id = any (day.instrument_ids);
  end loop;
end
$$;

comment on function dashboard.trends() is
  'Per active instrument with ticks: the price at its first candle of the UTC day of its newest tick (the day begins at opened_at), and the closes of the last 30 quarters of an hour, oldest first, of those that have a tick. Of a trade if there was one, else mid, else the one side there is.';
grant execute on function dashboard.trends() to foresight_web;
