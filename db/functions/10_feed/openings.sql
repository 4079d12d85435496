-- What opens there may have been open before: a session that follows another, or a closure that ends at night.
create or replace function feed.openings(calendar text, from_time timestamptz, to_time timestamptz)
returns setof timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select b.at
  from feed.calendars as c
  -- Within what is finite, or the days would be without end.
  cross join lateral (select greatest(least(to_time, '2200-01-01Z'), '1900-01-01Z') as until) as u
  cross join lateral (
    select greatest(from_time, u.until - interval '1 year') at time zone c.zone as first, u.until at time zone c.zone as last
  ) as w
  cross join lateral (
    select d.day + s.opens_at as clock
    from feed.sessions as s, generate_series(date_trunc('day', w.first) - interval '1 day', w.last + interval '1 day', interval '1 day') as d(day)
    where s.calendar = c.calendar and extract(isodow from d.day) = s.opens_day
    union
    select x.closed_to from feed.closures as x
    where x.calendar = c.calendar and x.closed_to between w.first - interval '1 day' and w.last + interval '1 day'
  ) as o
  cross join lateral (select o.clock at time zone c.zone as at) as b
  where c.calendar = openings.calendar and b.at > from_time and b.at <= to_time
    and feed.is_open(c.calendar, b.at) and not feed.is_open(c.calendar, b.at - interval '1 microsecond')
  order by b.at
$$;

comment on function feed.openings(text, timestamptz, timestamptz) is
  'The times (UTC) after from_time, until to_time, at which a market of feed.calendars that was closed opens, oldest first; none when there is no such calendar. Of a range that is longer than a year, its last year.';
grant execute on function feed.openings(text, timestamptz, timestamptz) to foresight_publish, foresight_web;
