create or replace function dashboard.quotes()
returns table (
  instrument_id int, symbol text, source text, is_simulated boolean, description text, price_precision int,
  bid double precision, ask double precision, last double precision, mid double precision, price double precision,
  observed_at timestamptz, received_at timestamptz, indicators jsonb
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select i.instrument_id, i.symbol, i.source, s.is_simulated, i.description, i.price_precision,
    t.bid, t.ask, t.last, (t.bid + t.ask) / 2, coalesce(t.last, (t.bid + t.ask) / 2, t.bid, t.ask),
    t.observed_at, t.received_at, dashboard.indicators_of(i.instrument_id)
  from feed.instruments as i
  join feed.sources as s using (source)
  left join lateral (
    select t.* from feed.ticks as t
    where t.instrument_id = i.instrument_id
    order by t.observed_at desc, t.seq desc limit 1
  ) as t on true
  where i.is_active
  order by i.symbol
$$;

comment on function dashboard.quotes() is
  'Every active instrument with its newest tick and indicators: cheap, read for every push. price: last of a trade, else mid, else the one side there is.';
grant execute on function dashboard.quotes() to foresight_web;
