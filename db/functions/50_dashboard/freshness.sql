-- Inlined: it is asked for every value of every push.
create or replace function dashboard.freshness(newest_at timestamptz, every interval, at timestamptz)
returns text
language sql
immutable
as $$
  select case
    when newest_at is null then 'absent'
    when at - newest_at > every * 10 then 'dead'
    when at - newest_at > every * 2 then 'stale'
    else 'live'
  end
$$;

comment on function dashboard.freshness(timestamptz, interval, timestamptz) is
  'How old at a time (UTC) the newest of what comes every so often is: live, stale after 2 intervals without news, dead after 10, absent when there is none.';
