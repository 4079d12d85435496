-- Ticks may be newer than what is covered: coverage is told after them, and a process can die between the two.
create or replace function feed.stored_until(symbols text[])
returns table (symbol text, stored_until timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select i.symbol, coalesce(heard.covered_to, newest.observed_at)
  from feed.instruments as i
  left join lateral (
    select c.covered_to from feed.coverage as c
    where c.instrument_id = i.instrument_id and c.grade = 'heard'
    order by c.covered_from desc limit 1
  ) as heard on true
  left join feed.newest_ticks as newest using (instrument_id)
  where i.symbol = any(symbols) and coalesce(heard.covered_to, newest.observed_at) is not null
$$;

comment on function feed.stored_until(text[]) is
  'Until when (UTC, included) everything of a symbol is stored: to the end of what was heard, else to its newest tick. A symbol without either has no row.';
grant execute on function feed.stored_until(text[]) to foresight_ingest;
