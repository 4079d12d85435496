create or replace function indicator.release(wish_id int, indicator_id int)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from indicator.granted as g where g.wish_id = release.wish_id and g.indicator_id = release.indicator_id;
  if not exists (select from indicator.granted as g where g.indicator_id = release.indicator_id) then
    perform indicator.discard(release.indicator_id);
  end if;
end
$$;

comment on function indicator.release(int, int) is
  'A wish asks for this indicator no longer: it is deleted with its values unless another does.';
