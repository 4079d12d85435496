create or replace function indicator.finish_pending(
  instrument_ids int[], timeframes text[], sides text[], buckets timestamptz[], revisions bigint[]
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  done int;
begin
  -- In the order in which indicator.accept_candles locks them, so that neither waits for the other.
  delete from indicator.pending as p
  where p.ctid = any (array(
    select p.ctid
    from (
      select d.*
      from unnest(instrument_ids, timeframes, sides, buckets, revisions)
        as d(instrument_id, timeframe, side, bucket, revision)
      order by d.instrument_id, d.timeframe, d.side, d.bucket
    ) as d
    cross join lateral (
      select p.ctid
      from indicator.pending as p
      where p.instrument_id = d.instrument_id and p.timeframe = d.timeframe and p.side = d.side
        and p.bucket = d.bucket and p.revision <= d.revision
      for update
    ) as p
  ));
  get diagnostics done = row_count;
  return done;
end
$$;

comment on function indicator.finish_pending(int[], text[], text[], timestamptz[], bigint[]) is
  'The values that these candle revisions (array i is candle i) asked for are stored. Returns how many are done; one that changed meanwhile stays.';
grant execute on function indicator.finish_pending(int[], text[], text[], timestamptz[], bigint[]) to foresight_indicators;
