create or replace function feed.timeframe_dividing(width interval)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select t.timeframe
  from feed.timeframes as t
  where extract(epoch from timeframe_dividing.width)::int % extract(epoch from t.width)::int = 0
  order by t.width desc limit 1
$$;

comment on function feed.timeframe_dividing(interval) is
  'The coarsest timeframe whose candles add up to buckets of this width, which is whole seconds: what is shown of a width must not depend on whether candles of it are kept. Null: none.';
