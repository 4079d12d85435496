-- Before the outbox looks who wants the instrument, which is then no service of indicators any more.
create or replace function indicator.tg_removals__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform indicator.remove(d.indicator_id)
  from indicator.definitions as d where d.instrument_id = new.instrument_id;
  return null;
end
$$;

comment on function indicator.tg_removals__forget() is
  'When an instrument is removed: remove its indicators with their values and what they said.';

create or replace trigger _110_forget_indicators
  after insert on feed.removals
  for each row execute function indicator.tg_removals__forget();
