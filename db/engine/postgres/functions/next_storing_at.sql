create or replace function feed.next_storing_at(lag interval default interval '1.3 seconds')
returns timestamptz
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return null;
end
$$;

comment on function feed.next_storing_at(interval) is
  'When feed.advance_candles next has a candle to store (UTC). Plain PostgreSQL: never, its candles change with the ticks.';
