create or replace view indicator.faults as
select format('%s indicators have been behind their candles since %s',
    b.indicators, to_char(b.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')) as fault, b.since
from feed.fault_limits as l
cross join lateral (
  select count(*) as indicators, min(b.behind_since) as since
  from indicator.behind as b
  where b.behind_since < now() - l.wait - (
    select coalesce(max(s.forming_every), '0')
    from outbox.subscriptions as s where s.name = indicator.subscription_of(b.service)
  )
) as b
where b.indicators > 0
union all
select format('%s changed candles have waited to be computed since %s',
    p.candles, to_char(p.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')), p.since
from feed.fault_limits as l
cross join lateral (
  select count(*) as candles, min(p.accepted_at) as since
  from indicator.pending as p where p.accepted_at < now() - l.wait
) as p
where p.candles > 0
union all
-- One is computed at a time: what counts is that any goes on.
select format('the history of %s indicators has not been computed further since %s',
    b.indicators, to_char(b.since, 'YYYY-MM-DD HH24:MI:SS "UTC"')), b.since
from feed.fault_limits as l,
  (select count(*) as indicators, max(b.progressed_at) as since from indicator.backfills as b) as b
where b.since < now() - l.wait;

comment on view indicator.faults is 'What is wrong between a queue and the values, in words, and since when (UTC).';
