create or replace function indicator.subscribe(indicator_id int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform outbox.subscribe(
    indicator.subscription_of(s.service), coalesce(o.queue, s.queue), i.symbol, d.timeframe, d.side,
    coalesce(o.closed_only, s.closed_only), coalesce(o.forming_every, s.forming_every),
    -- Their history ends before the candle that forms now, of which no further tick may tell.
    from_time => case when k.closed_only then feed.bucket(t.width, clock_timestamp() - f.grace) end)
  from indicator.definitions as d
  join indicator.kinds as k using (kind)
  join indicator.services as s on s.service = d.service
  join feed.instruments as i using (instrument_id)
  join feed.sources as f using (source)
  join feed.timeframes as t using (timeframe)
  left join outbox.subscriptions as o on o.name = indicator.subscription_of(s.service)
  where d.indicator_id = subscribe.indicator_id;
  perform indicator.follow_spread(d.service, d.instrument_id, d.timeframe)
  from indicator.definitions as d
  where d.indicator_id = subscribe.indicator_id;
end
$$;

comment on function indicator.subscribe(int) is 'Have the service of an indicator told about its candles, as outbox.subscribe does.';
