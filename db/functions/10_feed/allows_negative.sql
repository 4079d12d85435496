create or replace function feed.allows_negative(symbol text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((select i.allows_negative from feed.instruments as i where i.symbol = allows_negative.symbol), false)
$$;

comment on function feed.allows_negative(text) is
  'Does an instrument have prices of zero and below? False for one that is not there.';
grant execute on function feed.allows_negative(text) to foresight_ingest;
