create or replace function dashboard.watchlist()
returns table (
  instrument_id int, symbol text, source text, is_simulated boolean, description text, price_precision int,
  bid double precision, ask double precision, last double precision, mid double precision, price double precision,
  observed_at timestamptz, received_at timestamptz, day_open double precision,
  change double precision, change_percent double precision, sparkline double precision[], indicators jsonb
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select i.instrument_id, i.symbol, i.source, s.is_simulated, i.description, i.price_precision,
    t.bid, t.ask, t.last, (t.bid + t.ask) / 2, p.price, t.observed_at, t.received_at,
    d.open, p.price - d.open, 100 * (p.price - d.open) / d.open,
    coalesce(k.closes, '{}'), dashboard.indicators_of(i.instrument_id)
  from feed.instruments as i
  join feed.sources as s using (source)
  left join lateral (
    select t.* from feed.ticks as t
    where t.instrument_id = i.instrument_id
    order by t.observed_at desc, t.seq desc limit 1
  ) as t on true
  cross join lateral (select coalesce(t.last, (t.bid + t.ask) / 2, t.bid, t.ask) as price) as p
  left join lateral (
    select coalesce(c.last_open, c.mid_open, c.bid_open, c.ask_open) as open
    from feed.candles_1d as c
    where c.instrument_id = i.instrument_id and c.bucket = date_bin('1 day', t.observed_at, '2000-01-03Z')
  ) as d on true
  left join lateral (
    select array_agg(coalesce(c.last_close, c.mid_close, c.bid_close, c.ask_close) order by c.bucket) as closes
    from feed.candles_15m as c
    where c.instrument_id = i.instrument_id
      and c.bucket > t.observed_at - interval '450 minutes' and c.bucket <= t.observed_at
  ) as k on true
  where i.is_active
  order by i.symbol
$$;

comment on function dashboard.watchlist() is
  'Every active instrument with its newest tick, the change since 00:00 UTC of that tick''s day, the closes of the last 30 candles of 15 minutes, and its indicators.';
grant execute on function dashboard.watchlist() to foresight_web;
