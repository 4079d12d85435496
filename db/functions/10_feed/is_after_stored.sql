-- Of what is behind feed.newest_ticks, as any row that is as new will do: the view would sort those of all instruments.
create or replace function feed.is_after_stored(symbols text[], observed_ats timestamptz[])
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return not exists (
    select from (
      select t.symbol, min(t.observed_at) as observed_at
      from (select unnest(symbols) as symbol, unnest(observed_ats) as observed_at) as t
      group by t.symbol
    ) as oldest
    join feed.instruments as i on i.symbol = oldest.symbol
    join feed.tick_ends as k on k.instrument_id = i.instrument_id and k.observed_at >= oldest.observed_at
  );
end
$$;

comment on function feed.is_after_stored(text[], timestamptz[]) is
  'Do all ticks of a batch (array i holds tick i; observed_at in UTC) come after every stored tick of their instruments?';
