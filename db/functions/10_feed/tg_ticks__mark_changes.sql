-- What every statement that adds ticks does, whoever wrote it: refuse what would break the windows, mark what
-- changed, and keep feed.newest_ticks. Nothing is queued and nobody notified here: that would serialise commits.
create or replace function feed.tg_ticks__mark_changes()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz;
  newest timestamptz;
  lowest double precision;
  kept_from timestamptz;
  unknown_id int;
  refused record;
  touched outbox.changes[];
  first_ats timestamptz[];
  newest_ats timestamptz[];
  end_ids int[];
  are_moved boolean;
begin
  -- One look at the new ticks; all that follows has a row per instrument and minute.
  select array_agg(row(m.instrument_id, m.minute, m.changed_from, m.changed_to, null, null, null, null)::outbox.changes),
    min(m.changed_from), max(m.changed_to), min(m.lowest), min(m.instrument_id) filter (where i.instrument_id is null),
    (select s.floor_at from feed.storage as s where s.level = 'ticks')
  into touched, oldest, newest, lowest, unknown_id, kept_from
  from (
    select n.instrument_id, date_trunc('minute', n.observed_at) as minute,
      min(n.observed_at) as changed_from, max(n.observed_at) as changed_to,
      min(least(n.bid, n.ask, n.last)) as lowest
    from new_ticks as n
    group by 1, 2
  ) as m
  left join feed.instruments as i using (instrument_id);
  if touched is null then
    return null;
  end if;
  if newest > clock_timestamp() + interval '5 seconds' then
    raise exception 'a tick observed at % lies in the future', newest
      using errcode = 'FUTUR', hint = 'observed_at may be at most 5 seconds ahead of the database''s clock.';
  end if;
  if oldest < kept_from then
    raise exception 'a tick observed at % is older than what is kept', oldest
      using errcode = 'RETEN', hint = 'Its candles are final since the ticks before ' || kept_from || ' were given up; see feed.storage.';
  end if;
  if lowest <= 0 then
    select i.symbol, least(n.bid, n.ask, n.last) as price into refused
    from new_ticks as n join feed.instruments as i using (instrument_id)
    where least(n.bid, n.ask, n.last) <= 0 and not i.allows_negative
    limit 1;
    if found then
      raise exception 'a tick of % has the price %, which is not above zero', refused.symbol, refused.price
        using errcode = 'NEGAT', hint = format('Where that is a price: update feed.instruments set allows_negative = true where symbol = %L;', refused.symbol);
    end if;
  end if;

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

  -- Only where one is the newest or the first. Rows of others that are not finished are left for the next.
  select array_agg(e.instrument_id), array_agg(e.first_at), array_agg(e.newest_at) into end_ids, first_ats, newest_ats
  from (
    select t.instrument_id, min(t.changed_from) as first_at, max(t.changed_to) as newest_at
    from unnest(touched) as t
    group by 1
  ) as e
  left join lateral (select * from feed.newest_ticks as k where k.instrument_id = e.instrument_id) as k on true
  where k.instrument_id is null or e.first_at < k.first_observed_at or e.newest_at >= k.observed_at;
  if end_ids is null then
    return null;
  end if;
  -- Mostly each has one row, which takes the newer tick where it is, so that no index changes.
  with moved as (
    update feed.tick_ends as e
    set observed_at = n.observed_at, seq = n.seq, bid = n.bid, ask = n.ask, last = n.last, size = n.size,
      received_at = n.received_at, first_observed_at = least(e.first_observed_at, n.first_at)
    from (
      select o.ctid as place, o.instrument_id
      from feed.tick_ends as o where o.instrument_id = any (end_ids) for update skip locked
    ) as o
    join (
      select distinct on (t.instrument_id) t.*, first_ats[array_position(end_ids, t.instrument_id)] as first_at
      from new_ticks as t
      where t.observed_at = any (newest_ats) and t.instrument_id = any (end_ids)
      order by t.instrument_id, t.observed_at desc, t.seq desc
    ) as n using (instrument_id)
    where e.ctid = o.place and (n.observed_at, n.seq) > (e.observed_at, e.seq)
    returning e.instrument_id
  )
  select count(*) = cardinality(end_ids) and count(distinct m.instrument_id) = cardinality(end_ids) into are_moved
  from moved as m;
  if are_moved then
    return null;
  end if;
  with told as (
    delete from feed.tick_ends as e
    where e.ctid = any (array(
      select o.ctid from feed.tick_ends as o where o.instrument_id = any (end_ids) for update skip locked))
    returning e.*
  ),
  known as (
    select t.instrument_id, t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, t.received_at, t.first_observed_at from told as t
    union all
    select n.instrument_id, n.observed_at, n.seq, n.bid, n.ask, n.last, n.size, n.received_at,
      first_ats[array_position(end_ids, n.instrument_id)]
    from new_ticks as n
    where n.observed_at = any (newest_ats) and n.instrument_id = any (end_ids)
  )
  insert into feed.tick_ends (instrument_id, observed_at, seq, bid, ask, last, size, received_at, first_observed_at)
  select distinct on (k.instrument_id) k.instrument_id, k.observed_at, k.seq, k.bid, k.ask, k.last, k.size, k.received_at,
    min(k.first_observed_at) over (partition by k.instrument_id)
  from known as k
  order by k.instrument_id, k.observed_at desc, k.seq desc;
  return null;
end
$$;

comment on function feed.tg_ticks__mark_changes() is
  'Mark the minutes that a statement added ticks to, and keep feed.newest_ticks. Errors: FUTUR a tick more than 5 seconds ahead of the clock, NEGAT a price of zero or below of an instrument that does not allow it, NOINS no such instrument, RETEN a tick that is older than what is kept.';

create or replace trigger _100_mark_changes
  after insert on feed.ticks
  referencing new table as new_ticks
  for each statement execute function feed.tg_ticks__mark_changes();
