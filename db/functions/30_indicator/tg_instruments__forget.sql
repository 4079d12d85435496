create or replace function indicator.tg_instruments__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from indicator.pending as p where p.instrument_id = old.instrument_id;
  return null;
end
$$;

comment on function indicator.tg_instruments__forget() is 'After an instrument was removed: forget the work that its candles made.';

create or replace trigger _110_forget_work
  after delete on feed.instruments
  for each row execute function indicator.tg_instruments__forget();
