create or replace function indicator.remove(indicator_id int)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone indicator.definitions := indicator.discard(remove.indicator_id);
begin
  if gone.indicator_id is null then
    return false;
  end if;
  delete from indicator.wishes as w
  where w.instrument_id = gone.instrument_id and w.timeframe = gone.timeframe and w.kind = gone.kind
    and w.params = gone.params and coalesce(w.side, gone.side) = gone.side
    and not exists (select from indicator.granted as g where g.wish_id = w.wish_id);
  return true;
end
$$;

comment on function indicator.remove(int) is
  'Remove an indicator and its values, whoever asked for it. One that a wish for all instruments or a set made comes back only when that is added again. Returns whether there was one.';

create or replace function indicator.remove(
  symbol text, timeframe text, kind text, params jsonb default '{}', side text default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return indicator.withdraw(
    remove.symbol, remove.timeframe, remove.side,
    kind => remove.kind, params => indicator.checked_params(remove.kind, remove.params));
end
$$;

comment on function indicator.remove(text, text, text, jsonb, text) is
  'Undo indicator.add with the same arguments: remove what it made, save what something else asks for too. side null: whichever was asked for. Returns how many indicators went with their values. Errors: NOINS, NOTFR, NOKIN, PARAM, NOWSH nobody asked for it.';
