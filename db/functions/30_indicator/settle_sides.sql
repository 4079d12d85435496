-- Such an indicator has no values yet: there are no candles of a side that no tick has.
create or replace function indicator.settle_sides()
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  told record;
  unsettled indicator.definitions;
  same_id int;
  moved int := 0;
begin
  for told in
    select o.instrument_id, indicator.side_of(o.instrument_id) as side
    from (select distinct d.instrument_id from indicator.definitions as d where d.is_side_open) as o
    order by o.instrument_id
  loop
    continue when told.side is null;
    for unsettled in
      select d.* from indicator.definitions as d
      where d.instrument_id = told.instrument_id and d.is_side_open
      order by d.indicator_id
      for update skip locked
    loop
      if unsettled.side = told.side then
        update indicator.definitions as d set is_side_open = false where d.indicator_id = unsettled.indicator_id;
        continue;
      end if;
      moved := moved + 1;
      select d.indicator_id into same_id
      from indicator.definitions as d
      where (d.instrument_id, d.timeframe, d.side, d.kind, d.params)
        = (unsettled.instrument_id, unsettled.timeframe, told.side, unsettled.kind, unsettled.params);
      if same_id is not null then
        insert into indicator.granted (wish_id, indicator_id)
        select g.wish_id, same_id from indicator.granted as g where g.indicator_id = unsettled.indicator_id
        on conflict do nothing;
        perform indicator.discard(unsettled.indicator_id);
        continue;
      end if;
      update indicator.definitions as d set side = told.side, is_side_open = false
      where d.indicator_id = unsettled.indicator_id;
      perform indicator.unsubscribe(unsettled);
      perform indicator.subscribe(unsettled.indicator_id);
      perform indicator.recompute(unsettled.indicator_id);
    end loop;
  end loop;
  return moved;
end
$$;

comment on function indicator.settle_sides() is
  'Give indicators for which no side was asked the one that their instrument has, now that its first ticks tell. Returns how many have another than before.';
