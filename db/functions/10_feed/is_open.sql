-- Asked on the market's own clock, so a change of it needs no rule here.
create or replace function feed.is_open(calendar text, at timestamptz default now())
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
      select from feed.closures as x
      where x.calendar = c.calendar and x.closed_from <= w.clock and x.closed_to > w.clock)
    and (
      not exists (select from feed.sessions as s where s.calendar = c.calendar)
      or exists (
        select from feed.sessions as s
        cross join lateral (
          select make_interval(days => s.opens_day - 1) + s.opens_at::interval as opening,
            make_interval(days => s.closes_day - 1) + s.closes_at::interval as closing
        ) as p
        where s.calendar = c.calendar
          and case when p.opening < p.closing then w.passed >= p.opening and w.passed < p.closing
            else w.passed >= p.opening or w.passed < p.closing end))
  from feed.calendars as c
  cross join lateral (select case when isfinite(is_open.at) then is_open.at at time zone c.zone end as clock) as t
  cross join lateral (select t.clock, t.clock - date_trunc('week', t.clock) as passed) as w
  where c.calendar = is_open.calendar
$$;

comment on function feed.is_open(text, timestamptz) is
  'Is a market of feed.calendars open at a time (UTC)? By feed.sessions and feed.closures, on its own clock. Null when there is no such calendar.';
grant execute on function feed.is_open(text, timestamptz) to foresight_publish, foresight_web;
