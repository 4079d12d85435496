create or replace function indicator.tg_instruments__fulfil()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.shown_at is null or tg_op = 'UPDATE' and old.shown_at is not null then
    return null;
  end if;
  -- A wish for all that is just being made is waited for, as this is by indicator.wish the other way round.
  perform pg_advisory_xact_lock_shared(hashtext('indicator.wishes'));
  perform indicator.fulfil(w.wish_id, new.instrument_id)
  from indicator.wishes as w where w.instrument_id is null order by w.wish_id;
  return null;
end
$$;

comment on function indicator.tg_instruments__fulfil() is
  'An instrument gets the indicators that are wished for all when it is shown for the first time.';

create or replace trigger _500_fulfil
  after insert or update of is_active on feed.instruments
  for each row execute function indicator.tg_instruments__fulfil();
