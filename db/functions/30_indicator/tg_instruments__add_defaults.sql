create or replace function indicator.tg_instruments__add_defaults()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A kind that is just being registered is waited for, as it is by indicator.register_kind the other way round.
  perform pg_advisory_xact_lock_shared(hashtext('indicator.defaults'));
  perform indicator.add_defaults(new.symbol);
  return null;
end
$$;

comment on function indicator.tg_instruments__add_defaults() is 'A new instrument gets the default indicators.';

create or replace trigger _500_add_defaults
  after insert on feed.instruments
  for each row execute function indicator.tg_instruments__add_defaults();
