-- Before the row goes, as what it granted goes with it.
create or replace function indicator.tg_wishes__remove_indicators()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform indicator.release(old.wish_id, g.indicator_id)
  from indicator.granted as g where g.wish_id = old.wish_id order by g.indicator_id;
  return old;
end
$$;

comment on function indicator.tg_wishes__remove_indicators() is
  'A wish that is deleted takes with it the indicators that no other asks for.';

create or replace trigger _100_remove_indicators
  before delete on indicator.wishes
  for each row execute function indicator.tg_wishes__remove_indicators();
