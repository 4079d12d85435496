create or replace function indicator.accept_candles(
  service text, symbols text[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  accepted int;
begin
  perform indicator.checked_service(accept_candles.service);
  -- It is not removed meanwhile.
  perform from indicator.services as s where s.service = accept_candles.service for key share;
  insert into indicator.pending as old (service, instrument_id, timeframe, side, bucket, revision)
  select accept_candles.service, i.instrument_id, c.timeframe, c.side, c.bucket, max(c.revision)
  from unnest(symbols, timeframes, sides, buckets, revisions) as c(symbol, timeframe, side, bucket, revision)
  join feed.instruments as i on i.symbol = c.symbol
  where exists (
    select from indicator.definitions as d
    join indicator.kinds as k using (kind)
    where d.instrument_id = i.instrument_id and d.timeframe = c.timeframe and d.side = c.side
      and k.service = accept_candles.service
  )
  group by 2, 3, 4, 5
  order by 2, 3, 4, 5
  on conflict on constraint pending_pkey do update
    set revision = greatest(old.revision, excluded.revision), leased_until = '-infinity', work_id = excluded.work_id,
      accepted_at = case when old.leased_until > statement_timestamp() then excluded.accepted_at else old.accepted_at end
    where excluded.revision > old.revision;
  get diagnostics accepted = row_count;
  return accepted;
end
$$;

comment on function indicator.accept_candles(text, text[], text[], text[], timestamptz[], bigint[]) is
  'Take candle deltas of a message to a service (array i is candle i): their indicators of its kinds have to be computed. Returns how many were news. After this the message may be deleted. Error NOSVC.';
grant execute on function indicator.accept_candles(text, text[], text[], text[], timestamptz[], bigint[]) to foresight_indicators;
