create or replace function feed.set_active(source text, is_active boolean)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  changed int;
begin
  update feed.instruments as i set is_active = set_active.is_active
  where i.source = set_active.source and i.is_active <> set_active.is_active and i.shown_at is not null;
  get diagnostics changed = row_count;
  return changed;
end
$$;

comment on function feed.set_active(text, boolean) is
  'Show or hide all instruments of a source on the dashboard, save for those that were never shown; returns how many changed. Their history stays.';
grant execute on function feed.set_active(text, boolean) to foresight_ingest;
