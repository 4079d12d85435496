-- A statement each for some thousand candles of one indicator, by the key: no row that stays is read. Bounds in time are
-- constants to the planner, as in indicator.values_at; older ones than were deleted before can only have come meanwhile.
create or replace procedure indicator.drop_values()
language plpgsql
as $$
declare
  kept record;
  oldest timestamptz;
begin
  for kept in
    select r.timeframe, r.floor_at, r.dropped_to - interval '2 days' as from_at, d.indicator_id, t.width * 20000 as span
    from indicator.retention as r
    join feed.timeframes as t using (timeframe)
    left join indicator.definitions as d using (timeframe)
    where r.dropped_to < r.floor_at
    order by r.timeframe, d.indicator_id
  loop
    loop
      oldest := indicator.next_value(kept.indicator_id, kept.from_at);
      exit when coalesce(oldest >= kept.floor_at, true);
      execute format('delete from indicator.values as v where v.indicator_id = %L and v.bucket >= %L and v.bucket < %L',
        kept.indicator_id, oldest, least(kept.floor_at, oldest + kept.span));
      commit;
    end loop;
  end loop;
  update indicator.retention as r set dropped_to = r.floor_at where r.dropped_to < r.floor_at;
  commit;
end
$$;

comment on procedure indicator.drop_values() is
  'Delete the values that indicator.retention has given up. A statement of its own, by the owner.';
