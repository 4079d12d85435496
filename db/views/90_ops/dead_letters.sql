create or replace view ops.dead_letters as
select 'to queue' as step, l.dead_letter_id, l.failed_at, l.subscription, l.queue, l.reason,
  i.symbol, l.candle ->> 'timeframe' as timeframe, l.candle ->> 'side' as side,
  (l.candle ->> 'bucket')::timestamptz as bucket, (l.candle ->> 'revision')::bigint as revision,
  l.candle::text as body, 1::bigint as times
from outbox.dead_letters as l
left join feed.instruments as i on i.instrument_id = (l.candle ->> 'instrument_id')::int
union all
select 'from queue', l.dead_letter_id, l.failed_at, indicator.subscription_of(l.service), s.queue, l.reason || ': ' || l.detail,
  null, null, null, null, null, l.body, l.times
from indicator.dead_letters as l
join indicator.services as s using (service)
order by failed_at, dead_letter_id;

comment on view ops.dead_letters is 'Candles that a queue refused for good (to queue), and what a service refused of its queue or could not compute (from queue), and why. ops.redrive tries them again, ops.discard_dead_letters forgets them.';
grant select on ops.dead_letters to foresight_publish, foresight_web;
