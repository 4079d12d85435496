-- Left unpinned and schema-qualified so that it is inlined: with constants it is one itself when a plan is made.
create or replace function feed.bucket(width interval, at timestamptz)
returns timestamptz
language sql
immutable
parallel safe
as $$
  select pg_catalog.date_bin(width, at, timestamptz '2000-01-03 00:00:00+00')
$$;

comment on function feed.bucket(interval, timestamptz) is
  'The left edge (UTC) of the bucket of this width that holds a time: midnight UTC is one for every width that divides a day. Infinite times stay as they are.';
