create or replace function outbox.tg_instruments__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- No capture reads its ticks meanwhile.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  delete from outbox.changes as c where c.instrument_id = old.instrument_id;
  delete from outbox.deliveries as d where d.instrument_id = old.instrument_id;
  delete from outbox.candles as c where c.instrument_id = old.instrument_id;
  delete from outbox.late_changes as c where c.instrument_id = old.instrument_id;
  delete from outbox.dead_letters as d where (d.candle ->> 'instrument_id')::int = old.instrument_id;
  return null;
end
$$;

comment on function outbox.tg_instruments__forget() is 'After an instrument was removed: forget what was captured of it, sent or not.';

create or replace trigger _120_forget_deltas
  after delete on feed.instruments
  for each row execute function outbox.tg_instruments__forget();
