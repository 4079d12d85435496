create or replace function indicator.fulfil(wish_id int, instrument_id int default null, kind text default null, params jsonb default null)
returns int[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  wished indicator.wishes;
  part record;
  granted_id int;
  granted_ids int[] := '{}';
begin
  select w.* into wished from indicator.wishes as w where w.wish_id = fulfil.wish_id;
  for part in
    select i.instrument_id, coalesce(wished.side, i.side, 'mid') as side,
      coalesce(wished.side, i.side) is null as is_side_open, m.kind, m.params
    from (
      select i.instrument_id, i.symbol, case when wished.side is null then indicator.side_of(i.instrument_id) end as side
      from feed.instruments as i
      where (i.instrument_id = wished.instrument_id or wished.instrument_id is null and i.shown_at is not null)
        and (fulfil.instrument_id is null or i.instrument_id = fulfil.instrument_id)
      offset 0
    ) as i
    cross join (
      select wished.kind, wished.params where wished.set is null
      union all
      -- Its service may never have been started: the rest of the set is of use without it.
      select s.kind, indicator.checked_params(s.kind, s.params)
      from indicator.sets as s join indicator.kinds as k using (kind)
      where s.set = wished.set and (fulfil.kind is null or (s.kind, s.params) = (fulfil.kind, fulfil.params))
    ) as m
    where fulfil.kind is null or m.kind = fulfil.kind
    order by i.symbol, m.kind, m.params::text
  loop
    granted_id := indicator.define(
      part.instrument_id, wished.timeframe, part.side, part.is_side_open, part.kind, part.params);
    insert into indicator.granted (wish_id, indicator_id) values (wished.wish_id, granted_id) on conflict do nothing;
    granted_ids := granted_ids || granted_id;
  end loop;
  return granted_ids;
end
$$;

comment on function indicator.fulfil(int, int, text, jsonb) is
  'Make the indicators that a wish asks for, as far as they are not there; of one instrument or one row of its set only, when given. Returns their ids.';
