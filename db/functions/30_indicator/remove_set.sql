create or replace function indicator.remove_set(symbol text, timeframe text, set text, side text default null)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return indicator.withdraw(
    remove_set.symbol, remove_set.timeframe, remove_set.side, set => coalesce(remove_set.set, ''));
end
$$;

comment on function indicator.remove_set(text, text, text, text) is
  'Undo indicator.add_set with the same arguments: remove what it made, save what something else asks for too. side null: whichever was asked for. Returns how many indicators went with their values. Errors: NOINS, NOTFR, NOWSH nobody asked for it.';
