create or replace function indicator.tg_instruments__add_defaults()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.shown_at is null or tg_op = 'UPDATE' and old.shown_at is not null then
    return null;
  end if;
  -- A kind that is just being registered is waited for, as it is by indicator.register_kind the other way round.
  perform pg_advisory_xact_lock_shared(hashtext('indicator.defaults'));
  perform indicator.add_defaults(new.symbol);
  return null;
end
$$;

comment on function indicator.tg_instruments__add_defaults() is 'An instrument gets the default indicators when it is shown for the first time.';

create or replace trigger _500_add_defaults
  after insert or update of is_active on feed.instruments
  for each row execute function indicator.tg_instruments__add_defaults();
