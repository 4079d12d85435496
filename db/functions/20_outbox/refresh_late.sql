-- TimescaleDB shows a tick that came in below a watermark only after a refresh: do it for exactly
-- the ranges that late ticks touched. By force: a tick that was committed in the moment in which a
-- refresh began may be in no list of what is out of date. Newest minutes first and not too many, so
-- that a bulk of old ticks holds up what is seconds late only for a part of it.
create or replace procedure outbox.refresh_late(inout late_count int default 0)
language plpgsql
as $$
declare
  horizon timestamptz := feed.refresh_horizon();
  late outbox.changes[];
  ranges tstzmultirange;
begin
  select pg_catalog.array_agg(c), pg_catalog.range_agg(pg_catalog.tstzrange(c.changed_from, c.changed_to, '[]'))
  into late, ranges
  from (
    select c.* from outbox.changes as c
    where c.changed_from < horizon and c.refreshed_revision <> c.revision
    order by c.minute desc limit 2000
  ) as c;
  late_count := coalesce(pg_catalog.cardinality(late), 0);
  if late_count = 0 then
    return;
  end if;
  commit;
  call feed.refresh_ranges(ranges, force => true);
  perform outbox.mark_refreshed(late);
  commit;
end
$$;

comment on procedure outbox.refresh_late(int) is
  'Bring late ticks into the candles (TimescaleDB; nothing to do on plain PostgreSQL). Returns how many minutes that were: outbox.capture_deltas finds them now. A statement of its own, by the owner of the candles. Error 55P03: another refresh runs now; try again later.';
