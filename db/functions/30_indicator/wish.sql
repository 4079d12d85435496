create or replace function indicator.wish(
  symbol text, timeframe text, side text, kind text default null, params jsonb default null, set text default null
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  wished_instrument_id int := case when wish.symbol is distinct from '*' then feed.instrument_id(wish.symbol) end;
  checked jsonb := case when wish.set is null then indicator.checked_params(wish.kind, wish.params) end;
  wished_id int;
begin
  perform feed.timeframe_width(wish.timeframe);
  if wish.side is not null then
    perform feed.checked_side(wish.side);
  end if;
  -- Who is adding an instrument, or a row to a set, does not see this wish yet, nor is it seen here: it is waited for.
  if wished_instrument_id is null or wish.set is not null then
    perform pg_advisory_xact_lock(hashtext('indicator.wishes'));
  end if;
  if wish.set is not null and not exists (select from indicator.sets as s where s.set = wish.set) then
    raise exception 'there is no set of indicators %', quote_literal(left(wish.set, 80))
      using errcode = 'NOSET', hint = coalesce(
        (select 'Choose one of ' || string_agg(distinct s.set, ', ') || ', or insert its rows into indicator.sets.' from indicator.sets as s),
        'Insert its rows into indicator.sets.');
  end if;
  insert into indicator.wishes (instrument_id, timeframe, side, set, kind, params)
  values (wished_instrument_id, wish.timeframe, wish.side, wish.set,
    case when wish.set is null then wish.kind end, checked)
  on conflict do nothing
  returning wish_id into wished_id;
  return coalesce(wished_id, (
    select w.wish_id from indicator.wishes as w
    where (w.instrument_id, w.timeframe, w.side, w.set, w.kind, w.params) is not distinct from
      (wished_instrument_id, wish.timeframe, wish.side, wish.set, case when wish.set is null then wish.kind end, checked)
  ));
end
$$;

comment on function indicator.wish(text, text, text, text, jsonb, text) is
  'Note that a kind with params, or a set, is asked for on a symbol (* all) and timeframe; side null: the one that an instrument has. Returns the wish''s id, also of one that is there. Errors: NOINS, NOTFR, NOSID, NOKIN, PARAM, NOSET.';
