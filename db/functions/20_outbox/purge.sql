create or replace function outbox.purge(keep interval default interval '7 days')
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  purged int;
begin
  -- A capture or a republish could queue what is removed at this moment.
  perform pg_advisory_xact_lock(hashtext('outbox.capture_deltas'));
  delete from outbox.candles as c
  where c.is_closed and c.captured_at < now() - keep
    and not exists (
      select from outbox.deliveries as d
      where d.instrument_id = c.instrument_id and d.timeframe = c.timeframe and d.side = c.side and d.bucket = c.bucket
    );
  get diagnostics purged = row_count;
  return purged;
end
$$;

comment on function outbox.purge(interval) is
  'Forget captured states of closed candles older than keep that nobody waits for; returns how many. The candles stay; one that changes later is sent again with a higher revision.';
grant execute on function outbox.purge(interval) to foresight_upkeep;
