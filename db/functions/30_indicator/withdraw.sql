create or replace function indicator.withdraw(
  symbol text, timeframe text, side text, kind text default null, params jsonb default null, set text default null
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  wished_instrument_id int := case when withdraw.symbol is distinct from '*' then feed.instrument_id(withdraw.symbol) end;
  withdrawn_ids int[];
  removed int;
begin
  perform feed.timeframe_width(withdraw.timeframe);
  -- As where it is wished.
  if wished_instrument_id is null or withdraw.set is not null then
    perform pg_advisory_xact_lock(hashtext('indicator.wishes'));
  end if;
  withdrawn_ids := array(
    select w.wish_id from indicator.wishes as w
    where (w.instrument_id, w.timeframe, w.set, w.kind, w.params) is not distinct from
        (wished_instrument_id, withdraw.timeframe, withdraw.set, withdraw.kind, withdraw.params)
      and (withdraw.side is null or w.side = withdraw.side)
    for update
  );
  if cardinality(withdrawn_ids) = 0 then
    raise exception 'nobody asked for % on % %', coalesce('the set ' || left(withdraw.set, 80), withdraw.kind || ' ' || withdraw.params),
      withdraw.symbol, concat_ws(' ', withdraw.timeframe, withdraw.side)
      using errcode = 'NOWSH', hint = 'What was asked for: select * from indicator.wish_list; one indicator, whoever asked: select indicator.remove(indicator_id);';
  end if;
  select count(distinct g.indicator_id) into removed
  from indicator.granted as g
  where g.wish_id = any (withdrawn_ids)
    and not exists (
      select from indicator.granted as o
      where o.indicator_id = g.indicator_id and o.wish_id <> all (withdrawn_ids)
    );
  delete from indicator.wishes as w where w.wish_id = any (withdrawn_ids);
  return removed;
end
$$;

comment on function indicator.withdraw(text, text, text, text, jsonb, text) is
  'Delete the wishes for a kind with complete params, or a set, on a symbol (* all) and timeframe; side null: of any. Returns how many indicators went. Errors: NOINS, NOTFR, NOWSH there is none.';
