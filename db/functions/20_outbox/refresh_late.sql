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
  -- Two at once refresh the same ranges and wait for each other, which takes longer than one: the later one yields.
  if exists (
    select from pg_catalog.pg_stat_activity as own
    join pg_catalog.pg_stat_activity as other using (datname)
    where own.pid = pg_catalog.pg_backend_pid() and other.state = 'active'
      and other.query operator(pg_catalog.~*) '^call outbox\.refresh_late\M'
      and (other.query_start, other.pid) < (own.query_start, own.pid)
  ) then
    late_count := 0;
    return;
  end if;
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
  'Bring late ticks into the candles (TimescaleDB; nothing to do on plain PostgreSQL). Returns how many minutes that were: outbox.capture_deltas finds them now; 0 too while another session is at it. A statement of its own, by the owner of the candles. Error 55P03: another refresh runs now; try again later.';
