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
  service text;
  added_id int;
begin
  perform feed.timeframe_width(add.timeframe);
  insert into indicator.definitions (instrument_id, timeframe, side, kind, params, label, bars_required, bars_window)
  select series_id, add.timeframe, add.side, add.kind, checked, d.label, d.bars_required, d.bars_window
  from indicator.derived(add.kind, checked) as d
  on conflict on constraint definitions_instrument_id_timeframe_side_kind_params_key do nothing
  returning indicator_id into added_id;
  select k.service into service from indicator.kinds as k where k.kind = add.kind;
  if added_id is null then
    select d.indicator_id into added_id from indicator.definitions as d
    where d.instrument_id = series_id and d.timeframe = add.timeframe and d.side = add.side
      and d.kind = add.kind and d.params = checked;
    perform indicator.repair_subscription(service, added_id);
    return added_id;
  end if;

  -- First subscribe, then fill the history: a candle that changes in between is in both.
  perform indicator.subscribe(added_id);
  insert into indicator.backfills (indicator_id, service, next_bucket, revision)
  values (added_id, service, '-infinity', 0);
  return added_id;
end
$$;

comment on function indicator.add(text, text, text, jsonb, text) is
  'Compute an indicator on the candles of a symbol, timeframe and side from now on, and on all stored ones; returns its id (the existing one''s if it is there). Parameters left out get their defaults. Errors: NOINS, NOTFR, NOKIN, PARAM, 23514 an unknown side.';
