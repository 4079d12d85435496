-- Three lookups per indicator; one more, for how long, only for those that are behind. What a forming candle
-- gains while nobody computes shows in the ticks that came since, not in the candle, which is always new. A kind
-- that reads closed candles only has nothing to do with either: it is behind since the first one closed that has no
-- value, as the newest is always new too.
create or replace view indicator.behind as
select b.indicator_id, b.service, b.symbol, b.timeframe, b.side, b.label, b.bucket, b.behind_since
from (
  select d.indicator_id, d.instrument_id, k.service, i.symbol, d.timeframe, d.side, d.label, c.bucket,
    greatest(d.created_at, case when k.closed_only then c.captured_at else least(c.captured_at, feed.first_received_at(
      d.instrument_id, d.side, greatest(c.bucket, c.captured_at - interval '2 minutes'),
      c.captured_at + interval '5 seconds', coalesce(v.computed_at, d.created_at))) end) + case when c.is_closed then interval '0' else d.forming_every end as behind_since
  from indicator.definitions as d
  join feed.instruments as i using (instrument_id)
  join indicator.kinds as k using (kind)
  left join indicator.newest_values(array(select e.indicator_id from indicator.definitions as e)) as v using (indicator_id)
  cross join lateral (
    (
      select 1 as place, o.bucket, o.revision, o.captured_at, o.is_closed
      from outbox.candles as o
      where k.closed_only and o.is_closed
        and o.instrument_id = d.instrument_id and o.timeframe = d.timeframe and o.side = d.side
        and o.bucket > coalesce(v.bucket, '-infinity')
      order by o.bucket
      limit 1
    )
    union all
    (
      select 2, o.bucket, o.revision, o.captured_at, o.is_closed
      from outbox.candles as o
      where o.instrument_id = d.instrument_id and o.timeframe = d.timeframe and o.side = d.side
        and (o.is_closed or not k.closed_only)
      order by o.bucket desc
      limit 1
    )
    order by place
    limit 1
  ) as c
  where (v.bucket is null or v.bucket < c.bucket
      or v.bucket = c.bucket and v.revision < c.revision and v.computed_at < c.captured_at)
    and not exists (select from indicator.backfills as f where f.indicator_id = d.indicator_id)
) as b
-- What keeps its pace is not behind; what was not sent yet is for ops.queues to tell.
where b.behind_since <= now() and not exists (
  select from outbox.deliveries as w
  join outbox.subscriptions as s using (subscription_id)
  where s.name = indicator.subscription_of(b.service) and w.instrument_id = b.instrument_id and w.timeframe = b.timeframe
    and w.side = b.side and w.bucket = b.bucket and w.queued_at <= b.behind_since + interval '2 seconds'
);

comment on view indicator.behind is 'Indicators that have a candle that was sent and is not in their newest value, and since when (UTC): for a moment all that change, for longer those that nobody computes. Those whose history is being computed are left out.';
