create or replace function outbox.tg_instruments__pass_over()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if old.shown_at is not null or new.shown_at is null or exists (
    select from outbox.filters as f where f.instrument_id is null or f.instrument_id = new.instrument_id
  ) then
    return null;
  end if;
  -- What another has in its hand is captured, for nobody. Late marks stay: a refresh needs them.
  delete from outbox.changes as c
  where c.ctid = any (array(
    select m.ctid from outbox.changes as m
    where m.instrument_id = new.instrument_id
      and (m.changed_from >= (select feed.refresh_horizon()) or m.refreshed_revision = m.revision)
    for update skip locked
  ));
  return null;
end
$$;

comment on function outbox.tg_instruments__pass_over() is
  'An instrument is shown for the first time: what came in before is told to nobody who subscribes from now on, unless somebody had asked for it already.';

create or replace trigger _130_pass_over
  after update of is_active on feed.instruments
  for each row execute function outbox.tg_instruments__pass_over();
