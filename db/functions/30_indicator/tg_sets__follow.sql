create or replace function indicator.tg_sets__follow()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- As where a set is wished.
  perform pg_advisory_xact_lock(hashtext('indicator.wishes'));
  if tg_op <> 'DELETE' then
    perform indicator.fulfil(w.wish_id, kind => new.kind, params => new.params)
    from indicator.wishes as w where w.set = new.set order by w.wish_id;
  end if;
  if tg_op <> 'INSERT' and (tg_op = 'DELETE' or (old.set, old.kind, old.params) <> (new.set, new.kind, new.params)) then
    perform indicator.release(g.wish_id, g.indicator_id)
    from indicator.wishes as w
    join indicator.granted as g using (wish_id)
    join indicator.definitions as d using (indicator_id)
    where w.set = old.set and d.kind = old.kind and d.params = old.params
    order by g.indicator_id;
  end if;
  return null;
end
$$;

comment on function indicator.tg_sets__follow() is
  'Where a set was added, its indicators follow its rows.';

create or replace trigger _500_follow
  after insert or update or delete on indicator.sets
  for each row execute function indicator.tg_sets__follow();
