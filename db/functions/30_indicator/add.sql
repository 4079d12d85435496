create or replace function indicator.add(
  symbol text, timeframe text, kind text, params jsonb default '{}', side text default 'mid'
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  series_id int := feed.instrument_id(add.symbol);
  checked jsonb := indicator.checked_params(add.kind, add.params);
  width interval := feed.timeframe_width(add.timeframe);
  service indicator.services;
  added_id int;
begin
  insert into indicator.definitions (instrument_id, timeframe, side, kind, params, label, bars_required, bars_window)
  select series_id, add.timeframe, add.side, add.kind, checked, d.label, d.bars_required, d.bars_window
  from indicator.derived(add.kind, checked) as d
  on conflict on constraint definitions_instrument_id_timeframe_side_kind_params_key do nothing
  returning indicator_id into added_id;
  if added_id is null then
    return (
      select d.indicator_id from indicator.definitions as d
      where d.instrument_id = series_id and d.timeframe = add.timeframe and d.side = add.side
        and d.kind = add.kind and d.params = checked
    );
  end if;

  -- First subscribe, then fill the history: a candle that changes in between is in both.
  select s.* into service from indicator.services as s
  join indicator.kinds as k on k.service = s.service where k.kind = add.kind;
  perform outbox.subscribe(
    indicator.subscription_of(service.service), coalesce(o.queue, service.queue), add.symbol, add.timeframe, add.side,
    coalesce(o.closed_only, service.closed_only), coalesce(o.forming_every, service.forming_every),
    -- Their history ends before the candle that forms now, of which no further tick may tell.
    from_time => case when k.closed_only then feed.bucket(width, clock_timestamp() - f.grace) end)
  from indicator.kinds as k
  cross join (select f.grace from feed.instruments as i join feed.sources as f using (source) where i.instrument_id = series_id) as f
  left join outbox.subscriptions as o on o.name = indicator.subscription_of(service.service)
  where k.kind = add.kind;
  insert into indicator.backfills (indicator_id, service, next_bucket, revision)
  values (added_id, service.service, '-infinity', 0);
  return added_id;
end
$$;

comment on function indicator.add(text, text, text, jsonb, text) is
  'Compute an indicator on the candles of a symbol, timeframe and side from now on, and on all stored ones; returns its id (the existing one''s if it is there). Parameters left out get their defaults. Errors: NOINS, NOTFR, NOKIN, PARAM, 23514 an unknown side.';
