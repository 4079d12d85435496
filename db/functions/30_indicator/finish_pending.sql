create or replace function indicator.finish_pending(work_ids bigint[])
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  done int;
begin
  delete from indicator.pending as p
  where p.work_id = any (array(
    select w.work_id
    from indicator.pending as w
    where w.work_id = any (work_ids)
    -- In the order in which indicator.accept_candles locks them, so that neither waits for the other.
    order by w.service, w.instrument_id, w.timeframe, w.side, w.bucket, w.forming_every
    for update
  ));
  get diagnostics done = row_count;
  return done;
end
$$;

comment on function indicator.finish_pending(bigint[]) is
  'The values that these claims asked for are stored. Returns how many are done; one whose candle changed meanwhile stays, under another id.';
grant execute on function indicator.finish_pending(bigint[]) to foresight_indicators, foresight_service;
