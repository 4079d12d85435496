create or replace view feed.notes as
select format('the history of %s instruments of source %s is coming in', count(*), s.source) as note, min(i.created_at) as since
from feed.source_states as s
join feed.instruments as i using (source)
where s.state = 'connected' and i.shown_at is null
group by s.source
union all
select format('source %s is catching up: its prices are there until %s', s.source, to_char(h.heard_until, 'YYYY-MM-DD HH24:MI:SS "UTC"')), s.changed_at
from feed.source_states as s
cross join feed.fault_limits as l
cross join lateral (
  select max(c.covered_to) as heard_until
  from feed.instruments as i
  cross join lateral (
    select c.covered_to from feed.coverage as c
    where c.instrument_id = i.instrument_id and c.grade = 'heard'
    order by c.covered_from desc limit 1
  ) as c
  where i.source = s.source and i.is_active
) as h
-- One that says nothing is silent, which is a fault.
where s.state = 'connected' and s.alive_at >= now() - l.silence and h.heard_until < now() - l.silence
union all
select format('the market %s is closed%s', c.calendar, ' until ' || to_char(o.opens_at, 'YYYY-MM-DD HH24:MI:SS "UTC"')), null
from feed.calendars as c
cross join lateral (
  select case when feed.is_open(c.calendar) = false
    then (select min(o.at) from feed.openings(c.calendar, now(), now() + interval '30 days') as o(at)) end as opens_at
) as o
where feed.is_open(c.calendar) = false
  and exists (select from feed.instruments as i where i.calendar = c.calendar and i.is_active)
union all
select format('source %s is disconnected while its markets are closed: %s', s.source, coalesce(s.reason, 'no reason given')), s.changed_at
from feed.source_states as s
where s.state = 'disconnected'
  and exists (select from feed.instruments as i where i.source = s.source and i.is_active)
  and not exists (
    select from feed.instruments as i
    where i.source = s.source and i.is_active and coalesce(feed.is_open(i.calendar), true));

comment on view feed.notes is 'What is as it should be and passes, but keeps prices from being those of now, in words, and since when (UTC).';
