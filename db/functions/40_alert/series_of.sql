create or replace function alert.series_of(
  kind text, symbol text, timeframe text, indicator text, params jsonb, side text, output text,
  out instrument_id int, out side_of_rule text, out indicator_id int
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  complete jsonb;
  defined indicator.definitions;
begin
  instrument_id := feed.instrument_id(symbol);
  perform feed.timeframe_width(timeframe);
  if series_of.side is not null then
    perform feed.checked_side(series_of.side);
  end if;
  if kind = 'rating' then
    side_of_rule := rating.side_of(symbol, timeframe, series_of.side);
    return;
  end if;
  complete := indicator.checked_params(series_of.indicator, series_of.params);
  select d.* into defined
  from indicator.definitions as d
  where d.instrument_id = series_of.instrument_id and d.timeframe = series_of.timeframe and d.kind = series_of.indicator
    and d.params = complete and d.side = coalesce(series_of.side, d.side)
  order by array_position(array['mid', 'last', 'bid', 'ask'], d.side)
  limit 1;
  if defined.indicator_id is null then
    raise exception 'there is no indicator % % on %', series_of.indicator, complete, concat_ws(' ', symbol, timeframe, series_of.side)
      using errcode = 'NOIND', hint = format('Add it: select indicator.add(%L, %L, %L, %L);', symbol, timeframe, series_of.indicator, complete);
  end if;
  if output is not null and not exists (
    select from indicator.kinds as k, jsonb_array_elements(k.outputs) as o(spec)
    where k.kind = series_of.indicator and o.spec ->> 'name' = output
  ) then
    raise exception '% has no output %', series_of.indicator, quote_literal(left(output, 80)) using errcode = 'ALERT',
      hint = (
        select 'Choose one of ' || string_agg(o.spec ->> 'name', ', ' order by o.place)
        from indicator.kinds as k, jsonb_array_elements(k.outputs) with ordinality as o(spec, place)
        where k.kind = series_of.indicator);
  end if;
  side_of_rule := defined.side;
  indicator_id := defined.indicator_id;
  if kind = 'forecast' and output is null and (
    select v.value is not null and v.horizon is null
    from indicator.values as v where v.indicator_id = defined.indicator_id and v.value is not null
    order by v.bucket desc limit 1
  ) then
    raise exception 'indicator % makes no forecast', series_of.indicator using errcode = 'ALERT',
      hint = 'Take kind value, or an indicator such as arima.';
  end if;
end
$$;

comment on function alert.series_of(text, text, text, text, jsonb, text, text) is
  'The candles and the indicator that a rule is about. Errors: NOINS, NOTFR, NOSID, NOKIN, PARAM, NOIND the indicator was not added, NORAT there is no rating, ALERT it has no such output, or forecasts nothing.';
