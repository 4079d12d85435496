create or replace function feed.show_instruments(source text)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  shown int;
begin
  update feed.instruments as i set is_active = true
  where i.source = show_instruments.source and i.shown_at is null;
  get diagnostics shown = row_count;
  return shown;
end
$$;

comment on function feed.show_instruments(text) is
  'Show the instruments of a source that never were, as their history is there now; returns how many. They get the default indicators.';
grant execute on function feed.show_instruments(text) to foresight_ingest;
