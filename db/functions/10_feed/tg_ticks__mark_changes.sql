-- What every statement that adds ticks does, whoever wrote it: refuse what would break the windows,
-- and mark what changed. Nothing is queued and nobody notified here: that would serialise commits.
create or replace function feed.tg_ticks__mark_changes()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz;
  newest timestamptz;
  highest double precision;
  largest double precision;
  unknown_id int;
  touched outbox.changes[];
begin
  -- One look at the new ticks; all that follows has a row per instrument and minute.
  select array_agg(row(m.instrument_id, m.minute, m.changed_from, m.changed_to, null, null, null, null)::outbox.changes),
    min(m.changed_from), max(m.changed_to), max(m.highest), max(m.largest)
  into touched, oldest, newest, highest, largest
  from (
    select n.instrument_id, date_trunc('minute', n.observed_at) as minute,
      min(n.observed_at) as changed_from, max(n.observed_at) as changed_to,
      max(greatest(n.bid, n.ask, n.last)) as highest, max(n.size) as largest
    from new_ticks as n
    group by 1, 2
  ) as m;
  if touched is null then
    return null;
  end if;
  if newest > clock_timestamp() + interval '5 seconds' then
    raise exception 'a tick observed at % lies in the future', newest
      using errcode = 'FUTUR', hint = 'observed_at may be at most 5 seconds ahead of the database''s clock.';
  end if;
  if oldest < feed.retention_floor() then
    raise exception 'a tick observed at % is older than what is kept', oldest
      using errcode = 'RETEN', hint = 'Its candles are final since the ticks before ' || feed.retention_floor() || ' were given up; see feed.storage.';
  end if;
  -- The sums of a candle would overflow, and then nobody could read it.
  if highest >= 1e15 or largest >= 1e18 then
    raise exception 'a tick has a price or size of %, which is too large', greatest(highest, largest)
      using errcode = 'LARGE', hint = 'A price must be less than 1e15 and a size less than 1e18.';
  end if;

  select c.instrument_id into unknown_id
  from unnest(touched) as c
  where not exists (select from feed.instruments as i where i.instrument_id = c.instrument_id)
  limit 1;
  if unknown_id is not null then
    raise exception 'there is no instrument with id %', unknown_id using errcode = 'NOINS';
  end if;

  -- In key order, so that two statements cannot lock each other's rows.
  insert into outbox.changes as c (instrument_id, minute, changed_from, changed_to, generation)
  select t.instrument_id, t.minute, t.changed_from, t.changed_to, g.last_value
  from unnest(touched) as t, outbox.change_generation as g
  order by 1, 2
  on conflict (instrument_id, minute, generation) do update set
    changed_from = least(c.changed_from, excluded.changed_from),
    changed_to = greatest(c.changed_to, excluded.changed_to),
    revision = nextval('outbox.change_revision');
  return null;
end
$$;

comment on function feed.tg_ticks__mark_changes() is
  'Mark the minutes that a statement added ticks to. Errors: FUTUR a tick more than 5 seconds ahead of the clock, LARGE a price from 1e15 or a size from 1e18 on, NOINS no such instrument, RETEN a tick that is older than what is kept.';

create or replace trigger _100_mark_changes
  after insert on feed.ticks
  referencing new table as new_ticks
  for each statement execute function feed.tg_ticks__mark_changes();
