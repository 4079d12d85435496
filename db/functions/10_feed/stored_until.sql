create or replace function feed.stored_until(symbols text[])
returns table (symbol text, observed_at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select i.symbol, newest.observed_at
  from feed.instruments as i
  cross join lateral (
    select t.observed_at from feed.ticks as t
    where t.instrument_id = i.instrument_id
    order by t.observed_at desc limit 1
  ) as newest
  where i.symbol = any(symbols)
$$;

comment on function feed.stored_until(text[]) is 'The newest stored observed_at (UTC) of each symbol that has ticks.';
grant execute on function feed.stored_until(text[]) to foresight_ingest;
