create or replace function indicator.clock_time(at timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select to_char(at at time zone 'UTC', case
    when feed.bucket('1 day', at) = feed.bucket('1 day', now()) then 'HH24:MI "UTC"' else 'YYYY-MM-DD HH24:MI "UTC"' end)
$$;

comment on function indicator.clock_time(timestamptz) is 'A time in UTC as a person reads it: with its day where that is not today.';
