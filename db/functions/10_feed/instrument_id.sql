create or replace function feed.instrument_id(symbol text)
returns int
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  found_id int;
begin
  select i.instrument_id into found_id from feed.instruments as i where i.symbol = instrument_id.symbol;
  if found_id is null then
    raise exception 'there is no instrument %', quote_literal(left(instrument_id.symbol, 80))
      using errcode = 'NOINS', hint = 'Add it: select feed.add_instrument(''EUR_USD'', ''manual'');';
  end if;
  return found_id;
end
$$;

comment on function feed.instrument_id(text) is 'The id of an instrument by its symbol. Error NOINS when there is none.';
grant execute on function feed.instrument_id(text) to foresight_ingest, foresight_publish, foresight_indicators;
