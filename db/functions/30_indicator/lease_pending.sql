create or replace function indicator.lease_pending(work_ids bigint[], lease interval default '10 seconds')
returns bigint[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  kept bigint[];
begin
  with leased as (
    update indicator.pending as p
    set leased_until = case when lease > interval '0' then clock_timestamp() + lease else '-infinity' end
    where p.work_id = any (array(
      select w.work_id
      from indicator.pending as w
      where w.work_id = any (lease_pending.work_ids)
      -- In the order in which indicator.accept_candles locks them, so that neither waits for the other.
      order by w.service, w.instrument_id, w.timeframe, w.side, w.bucket, w.forming_every
      for update
    ))
    returning p.work_id
  )
  select coalesce(array_agg(l.work_id), '{}') into kept from leased as l;
  return kept;
end
$$;

comment on function indicator.lease_pending(bigint[], interval) is
  'Go on with claimed candles for this long from now; with 0, give them back to be claimed at once. Returns which of them are still asked for: one whose candle changed meanwhile has another id.';
grant execute on function indicator.lease_pending(bigint[], interval) to foresight_indicators, foresight_service;
