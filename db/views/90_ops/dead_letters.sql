create or replace view ops.dead_letters as
select l.dead_letter_id, l.failed_at, l.subscription, l.queue, l.reason,
  i.symbol, l.candle ->> 'timeframe' as timeframe, l.candle ->> 'side' as side,
  (l.candle ->> 'bucket')::timestamptz as bucket, (l.candle ->> 'revision')::bigint as revision
from outbox.dead_letters as l
left join feed.instruments as i on i.instrument_id = (l.candle ->> 'instrument_id')::int
order by l.dead_letter_id;

comment on view ops.dead_letters is 'Candles that a queue refused for good, and why. ops.redrive sends them again, ops.discard_dead_letters forgets them.';
grant select on ops.dead_letters to foresight_publish, foresight_web;
