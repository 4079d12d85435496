-- In this order: what is far away is never counted in buckets, where its time would be out of range.
create or replace function indicator.candle_fault(
  instrument_id int, timeframe text, bucket timestamptz, revision bigint, drawn bigint, is_captured boolean
)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when revision between 1 and drawn and is_captured then null
    when revision between 1 and drawn then
      case
        when candle_fault.bucket is null then 'not_a_candle'
        -- As far ahead as a tick may be.
        when candle_fault.bucket > clock_timestamp() + interval '5 seconds' then 'in_future'
        when not coalesce(
          candle_fault.bucket >= feed.history_start(candle_fault.instrument_id, candle_fault.timeframe), false) then 'before_history'
        when candle_fault.bucket
          <> feed.bucket(feed.timeframe_width(candle_fault.timeframe), candle_fault.bucket) then 'unaligned'
      end
    else 'revision_not_drawn'
  end;
end
$$;

comment on function indicator.candle_fault(int, text, timestamptz, bigint, bigint, boolean) is
  'Why there cannot be this candle (bucket in UTC) with this revision, as in indicator.dead_letters; null: there can. drawn is the highest revision that any candle has, is_captured whether outbox.candles has this one.';
