create or replace function indicator.add(
  symbol text, timeframe text, kind text, params jsonb default '{}', side text default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  added_ids int[] := indicator.fulfil(indicator.wish(
    add.symbol, add.timeframe, add.side, kind => add.kind, params => add.params));
begin
  return case when add.symbol <> '*' then added_ids[1] end;
end
$$;

comment on function indicator.add(text, text, text, jsonb, text) is
  'Compute an indicator on the candles of a symbol and timeframe from now on, and on all stored ones; returns its id (the existing one''s if it is there). symbol *: of every instrument, those too that are added later, as soon as they are shown; returns null, and indicator.wish_list shows it. Parameters left out get their defaults; side left out: the one that the instrument has, mid, or last where it has trades only. indicator.remove with the same arguments undoes it. Errors: NOINS, NOTFR, NOSID, NOKIN, PARAM.';
