create or replace function feed.tg_instruments__keep_history()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'TRUNCATE' then
    raise exception 'instruments are removed one by one, and only without ticks' using errcode = 'FACTS';
  end if;
  if not exists (select from feed.newest_ticks as k where k.instrument_id = old.instrument_id) then
    return coalesce(new, old);
  end if;
  if tg_op = 'DELETE' then
    if exists (select from feed.removals as r where r.instrument_id = old.instrument_id) then
      return old;
    end if;
    raise exception 'the instrument % has ticks, which are facts', old.symbol
      using errcode = 'FACTS', hint = format('Hide it, and follow it no longer: update feed.instruments set is_active = false where symbol = %L; then call feed.remove_instrument(%L) takes it away with all that was made of it.', old.symbol, old.symbol);
  end if;
  if new.instrument_id <> old.instrument_id or new.source <> old.source then
    raise exception 'the instrument % has ticks of the source %', old.symbol, old.source
      using errcode = 'SRCIN', hint = 'Prices of two sources never share a history: add another symbol for the other source.';
  end if;
  return new;
end
$$;

comment on function feed.tg_instruments__keep_history() is
  'Refuse what would leave ticks without their instrument, or give them another source. Errors: FACTS an instrument with ticks is removed, save by feed.remove_instrument, SRCIN it is given another source or id.';

create or replace trigger _100_keep_history
  before delete or update of instrument_id, source on feed.instruments
  for each row execute function feed.tg_instruments__keep_history();
create or replace trigger _110_keep_history
  before truncate on feed.instruments
  for each statement execute function feed.tg_instruments__keep_history();
