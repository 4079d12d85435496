create or replace function indicator.add_set(symbol text, timeframe text, set text, side text default null)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return cardinality(indicator.fulfil(indicator.wish(
    add_set.symbol, add_set.timeframe, add_set.side, set => coalesce(add_set.set, ''))));
end
$$;

comment on function indicator.add_set(text, text, text, text) is
  'Compute all indicators of a set (indicator.sets) on the candles of a symbol (*: of every instrument, those too that are added later) and timeframe, as indicator.add does; returns how many. When rows of the set are added or deleted later, so are its indicators. indicator.remove_set undoes it. Errors: NOINS, NOTFR, NOSID, NOSET.';
