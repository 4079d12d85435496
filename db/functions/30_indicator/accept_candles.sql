create or replace function indicator.accept_candles(
  symbols text[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  accepted int;
begin
  insert into indicator.pending as old (instrument_id, timeframe, side, bucket, revision)
  select i.instrument_id, c.timeframe, c.side, c.bucket, max(c.revision)
  from unnest(symbols, timeframes, sides, buckets, revisions) as c(symbol, timeframe, side, bucket, revision)
  join feed.instruments as i on i.symbol = c.symbol
  where exists (
    select from indicator.definitions as d
    where d.instrument_id = i.instrument_id and d.timeframe = c.timeframe and d.side = c.side
  )
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (instrument_id, timeframe, side, bucket) do update
    set revision = greatest(old.revision, excluded.revision), leased_until = '-infinity',
      accepted_at = case when old.leased_until > statement_timestamp() then excluded.accepted_at else old.accepted_at end
    where excluded.revision > old.revision;
  get diagnostics accepted = row_count;
  return accepted;
end
$$;

comment on function indicator.accept_candles(text[], text[], text[], timestamptz[], bigint[]) is
  'Take candle deltas of a message (array i is candle i): their indicators have to be computed. Returns how many were news. After this the message may be deleted.';
grant execute on function indicator.accept_candles(text[], text[], text[], timestamptz[], bigint[]) to foresight_indicators;
