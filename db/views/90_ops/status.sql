create or replace view ops.status as
with processes as (
  select wanted.process, max(p.seen_at) as seen_at,
    -- One second less than the fifteen in which a fault has to show.
    coalesce(max(p.seen_at) > now() - interval '14 seconds', false) as is_alive
  from unnest(array['ingest', 'publish', 'indicators', 'web']) as wanted(process)
  left join ops.processes as p using (process)
  group by wanted.process
),
faults as (
  select format('process %s is not running', p.process) as fault
  from processes as p where not p.is_alive
  union all
  select format('source %s is disconnected: %s', s.source, coalesce(s.reason, 'no reason given'))
  from feed.source_states as s
  where s.state = 'disconnected' and s.source not in ('manual', 'replay')
    and exists (select from feed.instruments as i where i.source = s.source and i.is_active)
  union all
  select format('source %s has been silent since %s', s.source, to_char(s.alive_at, 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from feed.source_states as s
  where s.state = 'connected' and s.alive_at < now() - interval '14 seconds'
    and s.source not in ('manual', 'replay')
    and exists (select from feed.instruments as i where i.source = s.source and i.is_active)
  union all
  select format('source %s has a clock that is ahead of the database''s: its ticks are refused', r.source)
  from (
    select distinct r.source from feed.rejected_ticks as r
    where r.rejected_at > now() - interval '30 seconds' and r.reason = 'time_in_future'
  ) as r
  where r.source not in ('manual', 'replay')
    and not exists (
      select from feed.instruments as i
      cross join lateral (
        select t.received_at from feed.ticks as t
        where t.instrument_id = i.instrument_id
        order by t.observed_at desc limit 1
      ) as newest
      where i.source = r.source and newest.received_at > now() - interval '10 seconds'
    )
  union all
  select format('changes of %s instruments have waited to be captured since %s',
    count(distinct c.instrument_id), to_char(min(c.marked_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from outbox.changes as c having min(c.marked_at) < now() - interval '12 seconds'
  union all
  select format('%s candles are over and were not closed, the first since %s',
    count(*), to_char(min(c.closes_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from outbox.candles as c
  where not c.is_closed and c.closes_at < now() - interval '12 seconds'
  having count(*) > 0
  union all
  select format('subscription %s cannot be sent: %s', s.name, s.last_error)
  from outbox.subscriptions as s
  where s.last_error is not null and not s.is_paused
    and exists (select from outbox.deliveries as d where d.subscription_id = s.subscription_id)
  union all
  select format('subscription %s has waited since %s', q.subscription, to_char(q.oldest_pending_at, 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from ops.queues as q where not q.is_paused and q.oldest_pending_at < now() - interval '12 seconds'
  union all
  select format('subscription %s is sent again what its queue has lost, since %s', s.name, to_char(s.republished_at, 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from outbox.subscriptions as s
  where not s.is_paused
    and exists (
      select from outbox.deliveries as d where d.subscription_id + 0 = s.subscription_id and d.queued_at <= s.republished_at
    )
  union all
  select format('%s indicators have been behind their candles since %s',
    count(*), to_char(min(b.behind_since), 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from indicator.behind as b
  where b.behind_since < now() - interval '12 seconds' - (
    select coalesce(max(s.forming_every), '0') from outbox.subscriptions as s where s.name = 'indicators'
  )
  having count(*) > 0
  union all
  select format('%s changed candles have waited to be computed since %s',
    count(*), to_char(min(p.accepted_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from indicator.pending as p where p.accepted_at < now() - interval '12 seconds'
  having count(*) > 0
  union all
  -- One is computed at a time: what counts is that any goes on.
  select format('the history of %s indicators has not been computed further since %s',
    count(*), to_char(max(b.progressed_at), 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from indicator.backfills as b having max(b.progressed_at) < now() - interval '12 seconds'
  union all
  select format('maintenance step %s has failed since %s: %s', m.step, to_char(m.failed_since, 'YYYY-MM-DD HH24:MI:SS "UTC"'), m.error)
  from ops.maintenance_failures as m
  union all
  select format('%s candles of %s differ from their ticks and could not be repaired', r.unrepaired, to_char(r.from_time, 'YYYY-MM-DD'))
  from (
    select distinct on (r.from_time) r.from_time, r.unrepaired
    from ops.reconciliations as r order by r.from_time, r.reconciliation_id desc
  ) as r
  where r.unrepaired > 0
  union all
  select format('candles are stored up to %s, which lies in the future', to_char(h.horizon, 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  from (select feed.refresh_horizon() as horizon) as h where h.horizon > now() + interval '1 minute'
  union all
  select format('%s messages are in outbox.dead_letters', count(*)) from outbox.dead_letters having count(*) > 0
)
select i.engine, feed.engine_version() as engine_version, current_setting('server_version') as postgres_version,
  i.installed_at, pg_postmaster_start_time() as started_at,
  (select array_agg(f.fault) from faults as f) is null as is_healthy,
  coalesce((select array_agg(f.fault order by f.fault) from faults as f), '{}') as faults
from ops.installation as i;

comment on view ops.status is 'The engine, and whether everything works; faults says in words what does not.';
grant select on ops.status to foresight_publish, foresight_web;
