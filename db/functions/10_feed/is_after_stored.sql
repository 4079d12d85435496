-- One look at the key per instrument. enable_seqscan is off because a plan made while there were few ticks
-- would read them all, for every batch until the next ANALYZE.
create or replace function feed.is_after_stored(symbols text[], observed_ats timestamptz[])
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  return not exists (
    select from (
      select t.symbol, min(t.observed_at) as observed_at
      from (select unnest(symbols) as symbol, unnest(observed_ats) as observed_at) as t
      group by t.symbol
    ) as oldest
    join feed.instruments as i on i.symbol = oldest.symbol
    cross join lateral (
      select from feed.ticks as s
      where s.instrument_id = i.instrument_id and s.observed_at >= oldest.observed_at
      order by s.observed_at
      limit 1
    ) as stored
  );
end
$$;

comment on function feed.is_after_stored(text[], timestamptz[]) is
  'Do all ticks of a batch (array i holds tick i; observed_at in UTC) come after every stored tick of their instruments?';
