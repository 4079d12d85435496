-- Trends cost more than everything else here, so who reads often keeps them for a while and hands them in. A day that
-- began after they were read has no opening yet: no change is better than a wrong one.
create or replace function dashboard.watchlist(trends jsonb default null, at timestamptz default now())
returns jsonb
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with trend as (
    select t.*
    from jsonb_to_recordset(coalesce(trends, (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from dashboard.trends() as t)))
      as t(instrument_id int, day_open double precision, opened_at timestamptz, closes jsonb)
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'instrument_id', i.instrument_id, 'symbol', i.symbol, 'source', i.source, 'is_simulated', s.is_simulated,
    'description', i.description, 'price_precision', i.price_precision,
    'bid', q.bid, 'ask', q.ask, 'quoted_at', q.observed_at, 'quote_state', dashboard.freshness(q.observed_at, e.every, at), 'last', t.last, 'mid', p.mid, 'price', p.price,
    'observed_at', t.observed_at, 'received_at', t.received_at, 'state', dashboard.freshness(t.observed_at, e.every, at),
    'interval_seconds', extract(epoch from e.every)::int, 'is_open', c.is_open,
    'day_open', d.day_open, 'change', p.price - d.day_open, 'change_percent', case when d.day_open > 0 then 100 * (p.price - d.day_open) / d.day_open end,
    'sparkline', coalesce(r.closes, '[]'), 'indicators', coalesce(n.indicators, '[]'), 'ratings', coalesce(g.ratings, '[]')
  ) order by i.symbol), '[]')
  from feed.instruments as i
  join feed.sources as s using (source)
  left join feed.newest_ticks as t using (instrument_id)
  left join (select c.calendar, feed.is_open(c.calendar, at) as is_open from feed.calendars as c) as c using (calendar)
  -- A trade alone says nothing of the quote, which is older then.
  left join lateral feed.newest_quote(case when coalesce(t.bid, t.ask) is null then t.instrument_id end, t.observed_at) as o on true
  cross join lateral (
    select coalesce(t.bid, o.bid) as bid, coalesce(t.ask, o.ask) as ask,
      case when coalesce(t.bid, t.ask) is null then o.observed_at else t.observed_at end as observed_at
  ) as q
  cross join lateral (select feed.without_noise((q.bid + q.ask) / 2) as mid) as m
  cross join lateral (select m.mid, coalesce(t.last, m.mid, t.bid, t.ask) as price) as p
  left join trend as r on r.instrument_id = i.instrument_id
  cross join lateral (
    select case when r.opened_at = feed.bucket('1 day', t.observed_at) then r.day_open end as day_open
  ) as d
  left join dashboard.indicators_of(array(select i.instrument_id from feed.instruments as i where i.is_active), at) as n
    on n.instrument_id = i.instrument_id
  left join dashboard.ratings_of(array(select i.instrument_id from feed.instruments as i where i.is_active), at) as g
    on g.instrument_id = i.instrument_id
  -- News are expected as often as in the finest timeframe that somebody watches, and each minute at the least: coarse
  -- indicators alone do not make an old price a live one.
  cross join lateral (
    select make_interval(secs => least(60, greatest(5, coalesce((n.indicators -> 0 ->> 'width_seconds')::int, 60)))) as every
  ) as e
  where i.is_active
$$;

comment on function dashboard.watchlist(jsonb, timestamptz) is
  'Every active instrument with its newest tick, its newest quote where that is a trade (bid and ask, quoted_at in UTC and how old that is, see feed.newest_quote), its change since the UTC day of that tick began, its indicators and ratings, as a JSON array by symbol; state says how old the tick is at a time (UTC), where news are expected each interval_seconds, and is_open whether its market is (null: not known). change_percent: null where the day began at a price that is not above zero. price: last of a trade, else mid, else the one side there is. trends: what dashboard.trends() gave a moment ago, as a JSON array; null: read now.';
grant execute on function dashboard.watchlist(jsonb, timestamptz) to foresight_web;
