create or replace view feed.faults as
with market as materialized (
  select c.calendar, c.quiet_after, feed.is_open(c.calendar) as is_open from feed.calendars as c
), listening as (
  -- A source of which no market is open now may be away: notes tell that it is.
  select s.source, s.state, s.reason, s.changed_at, s.alive_at, s.begun_at,
    3 * (select p.poll_every from feed.polled_sources as p where p.source = s.source) as three_answers
  from feed.source_states as s
  where s.source <> 'replay'
    and not exists (select from feed.sources as k where k.source = s.source and k.is_pushed)
    and exists (
      select from feed.instruments as i left join market as m using (calendar)
      where i.source = s.source and i.is_active and coalesce(m.is_open, true))
), watched as (
  -- Three answers of a polled source may stay out.
  select s.*, greatest(l.silence, s.three_answers) as silence
  from listening as s, feed.fault_limits as l
), quiet as (
  -- A connection that lives, and a market that is open, and no price.
  select s.source, m.calendar, greatest(m.quiet_after, s.three_answers) as quiet_after, s.begun_at, min(i.created_at) as created_at,
    array_agg(i.instrument_id) as instrument_ids
  from watched as s
  join feed.instruments as i on i.source = s.source and i.is_active
  join market as m using (calendar)
  where s.state = 'connected' and s.alive_at >= now() - s.silence and m.is_open and m.quiet_after is not null
  group by s.source, m.calendar, m.quiet_after, s.three_answers, s.begun_at
)
select format('source %s is disconnected: %s', s.source, coalesce(s.reason, 'no reason given')) as fault, s.changed_at as since
from watched as s
where s.state = 'disconnected'
union all
select format('source %s has been silent since %s', s.source, to_char(s.alive_at, 'YYYY-MM-DD HH24:MI:SS "UTC"')), s.alive_at
from watched as s
where s.state = 'connected' and s.alive_at < now() - s.silence
union all
select format('source %s has told of no price since %s, though the market %s is open', q.source, to_char(w.since, 'YYYY-MM-DD HH24:MI:SS "UTC"'), q.calendar),
  w.since
from quiet as q
cross join lateral (
  select max(k.observed_at) as heard_until from feed.newest_ticks as k where k.instrument_id = any (q.instrument_ids)
) as h
cross join lateral (
  select case when coalesce(h.heard_until, '-infinity') < now() - q.quiet_after then greatest(
      h.heard_until, q.begun_at, q.created_at,
      (select max(o.at) from feed.openings(q.calendar, now() - interval '8 days', now()) as o(at))) end as since
) as w
where w.since < now() - q.quiet_after
union all
select case p.status
    when 'untried' then format('polled source %s is not asked: no process runs for it (start:ingest -- --source polled:%s)', p.source, p.source)
    else format('polled source %s: %s', p.source, p.outcome)
  end, p.told_at
from feed.polled_sources as p, feed.fault_limits as l
where (p.status = 'faulty' or p.status = 'untried' and p.told_at < now() - l.silence)
  and exists (select from feed.instruments as i where i.source = p.source and i.is_active)
union all
select format('source %s has a clock that is ahead of the database''s: its ticks are refused', r.source), r.since
from feed.fault_limits as l
cross join lateral (
  select r.source, min(r.first_at) as since
  from feed.rejections as r
  where r.last_at > now() - l.refusals and r.hour > now() - l.refusals - interval '1 hour' and r.reason = 'time_in_future' and r.source not in ('manual', 'replay')
  group by r.source
) as r
where not exists (
  select from feed.instruments as i
  join feed.newest_ticks as newest using (instrument_id)
  where i.source = r.source and newest.received_at > now() - l.acceptance
)
union all
select format('candles are stored up to %s, which lies in the future', to_char(h.horizon, 'YYYY-MM-DD HH24:MI:SS "UTC"')), null
from feed.fault_limits as l, feed.refresh_horizon() as h(horizon)
where h.horizon > now() + l.clock_error
union all
select format('the instrument %s was removed, and not all that was made of it is gone: call feed.remove_instrument(%L)', r.symbol, r.symbol), r.requested_at
from feed.removals as r, feed.fault_limits as l
where r.requested_at < now() - l.removal;

comment on view feed.faults is 'What is wrong with sources and candles, in words, and since when (UTC; null: not known).';
