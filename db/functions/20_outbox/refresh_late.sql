-- TimescaleDB shows a tick that came in below a watermark only after a refresh: do it for exactly
-- the ranges that late ticks touched, joined where they are near each other. By force: a tick that
-- was committed in the moment in which a refresh began may be in no list of what is out of date.
create or replace procedure outbox.refresh_late(inout late_count int default 0)
language plpgsql
as $$
declare
  horizon timestamptz := feed.refresh_horizon();
  late outbox.changes[];
  late_range record;
begin
  select pg_catalog.array_agg(c) into late
  from (
    select c.* from outbox.changes as c
    where c.changed_from < horizon and c.refreshed_revision <> c.revision
    order by c.minute limit 10000
  ) as c;
  late_count := coalesce(pg_catalog.cardinality(late), 0);
  if late_count = 0 then
    return;
  end if;
  commit;
  for late_range in
    select pg_catalog.lower(r.piece) as from_time, pg_catalog.upper(r.piece) - interval '10 minutes' as to_time
    from pg_catalog.unnest((
      select pg_catalog.range_agg(pg_catalog.tstzrange(c.changed_from, c.changed_to + interval '10 minutes', '[]'))
      from pg_catalog.unnest(late) as c
    )) as r(piece)
  loop
    call feed.refresh_candles(late_range.from_time, late_range.to_time, force => true);
  end loop;
  perform outbox.mark_refreshed(late);
  commit;
end
$$;

comment on procedure outbox.refresh_late(int) is
  'Bring late ticks into the candles (TimescaleDB; nothing to do on plain PostgreSQL). Returns how many minutes that were: outbox.capture_deltas finds them now. A statement of its own, by the owner of the candles. Error 55P03: another refresh runs now; try again later.';
