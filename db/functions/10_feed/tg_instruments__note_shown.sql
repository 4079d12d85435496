create or replace function feed.tg_instruments__note_shown()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.is_active then
    new.shown_at := coalesce(new.shown_at, now());
  end if;
  return new;
end
$$;

comment on function feed.tg_instruments__note_shown() is 'Write down when an instrument is active for the first time.';

create or replace trigger _120_note_shown
  before insert or update of is_active on feed.instruments
  for each row execute function feed.tg_instruments__note_shown();
