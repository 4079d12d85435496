create or replace function feed.side_rows(sides text[], with_spread boolean)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  -- Of a side that is not asked for nothing is aggregated. Nor is a spread, which needs the last prices of two more.
  select '(values ' || string_agg(distinct replace(replace(
      $row$('SIDE', c.SIDE_open, c.SIDE_high, c.SIDE_low, c.SIDE_close, c.SIDE_sum, c.SIDE_count, SPREAD)$row$,
      'SPREAD', case when with_spread and s.side = 'mid' then 'c.ask_close - c.bid_close' else 'null::float8' end),
      'SIDE', feed.checked_side(s.side)), ', ') || ') as s(side, open, high, low, close, sum, tick_count, spread)'
  from unnest(sides) as s(side)
$$;

comment on function feed.side_rows(text[], boolean) is
  'A row for each side of a candle c, with its prices as columns, as an item of FROM that is called s; null without sides. A piece of SQL. Error NOSID.';
