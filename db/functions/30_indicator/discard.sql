create or replace function indicator.discard(indicator_id int)
returns indicator.definitions
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  gone indicator.definitions;
begin
  perform feed.prepare_bulk_delete();
  delete from indicator.definitions as d where d.indicator_id = discard.indicator_id returning d.* into gone;
  if gone.indicator_id is not null then
    perform indicator.unsubscribe(gone);
  end if;
  return gone;
end
$$;

comment on function indicator.discard(int) is 'Delete an indicator with its values, whoever asked for it. Returns what there was.';
