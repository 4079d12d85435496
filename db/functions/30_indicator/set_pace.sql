create or replace function indicator.set_pace(indicator_id int, forming_every interval)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  before indicator.definitions;
  its_service text := (
    select d.service from indicator.definitions as d where d.indicator_id = set_pace.indicator_id);
begin
  -- indicator.accept_candles holds it: no candle is being accepted for the old pace.
  perform from indicator.services as s where s.service = its_service for update;
  select d.* into before from indicator.definitions as d where d.indicator_id = set_pace.indicator_id for no key update;
  if before.indicator_id is null then
    raise exception 'there is no indicator %', set_pace.indicator_id using errcode = 'NOIND';
  end if;
  update indicator.definitions as d set forming_every = set_pace.forming_every where d.indicator_id = before.indicator_id;
  -- What waits at the old pace is not computed for it any more.
  insert into indicator.pending as old (service, instrument_id, timeframe, side, bucket, forming_every, revision)
  select p.service, p.instrument_id, p.timeframe, p.side, p.bucket, set_pace.forming_every, p.revision
  from indicator.pending as p
  where p.service = its_service and p.instrument_id = before.instrument_id and p.timeframe = before.timeframe
    and p.side = before.side and p.forming_every = before.forming_every
  order by p.bucket
  on conflict on constraint pending_pkey do update
    set revision = greatest(old.revision, excluded.revision), work_id = excluded.work_id, leased_until = '-infinity';
end
$$;

comment on function indicator.set_pace(int, interval) is
  'Compute an indicator at most once per forming_every (up to an hour) for a candle that forms, 0: each time it changes. A candle that closes, and a closed one that changes, has its value at once all the same. Errors: NOIND, 23514 a time that is not allowed.';
