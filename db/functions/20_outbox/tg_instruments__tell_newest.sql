-- Whoever asked for it meanwhile, as the indicators that every instrument gets, would else know nothing of what it is
-- now until its next tick: seconds, or a weekend.
create or replace function outbox.tg_instruments__tell_newest()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- In key order, as feed.tg_ticks__mark_changes.
  insert into outbox.changes as c (instrument_id, minute, changed_from, changed_to, generation)
  select k.instrument_id, date_trunc('minute', k.observed_at), k.observed_at, k.observed_at, g.last_value
  from new_instruments as n
  join old_instruments as o using (instrument_id)
  join feed.newest_ticks as k using (instrument_id), outbox.change_generation as g
  where o.shown_at is null and n.shown_at is not null
    and exists (select from outbox.filters as f where f.instrument_id is null or f.instrument_id = n.instrument_id)
  order by 1, 2
  on conflict (instrument_id, minute, generation) do update set
    changed_from = least(c.changed_from, excluded.changed_from),
    changed_to = greatest(c.changed_to, excluded.changed_to),
    revision = nextval('outbox.change_revision');
  if found then
    perform outbox.nudge_publish();
  end if;
  return null;
end
$$;

comment on function outbox.tg_instruments__tell_newest() is
  'An instrument is shown for the first time: the candles that hold its newest tick are told to those who ask for them.';

create or replace trigger _600_tell_newest
  after update on feed.instruments
  referencing old table as old_instruments new table as new_instruments
  for each statement execute function outbox.tg_instruments__tell_newest();
