-- The candles that the values of some buckets need: those from from_bucket to to_bucket, up to
-- bars_before existing ones before, and up to bars_after after, whose own windows hold a changed one.
-- The look into the past is bounded in time and widened until there are enough: without a bound the
-- whole history would be read to find the last few.
create or replace function indicator.candle_window(
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz,
  bars_before int, bars_after int,
  out buckets timestamptz[], out opens double precision[], out highs double precision[],
  out lows double precision[], out closes double precision[], out sums double precision[],
  out volumes double precision[], out tick_counts bigint[], out spreads double precision[]
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  width interval := feed.timeframe_width(candle_window.timeframe);
  span interval := width * (2 * greatest(bars_before, bars_after) + 2);
  oldest timestamptz;
  newest timestamptz;
  start_at timestamptz;
  end_at timestamptz;
  found_before int;
  found_after int;
  is_with_spread boolean := candle_window.side = 'mid' and exists (
    select from outbox.filters as f
    where f.with_spread and f.instrument_id = candle_window.instrument_id and f.timeframe = candle_window.timeframe);
begin
  oldest := feed.history_start(candle_window.instrument_id, candle_window.timeframe);
  if oldest is null then
    return;
  end if;
  select feed.bucket(width, k.observed_at) into newest
  from feed.newest_ticks as k where k.instrument_id = candle_window.instrument_id;
  loop
    start_at := greatest(oldest, case when bars_before > 0 then from_bucket - span else from_bucket end);
    end_at := least(newest, case when bars_after > 0 then to_bucket + span else to_bucket end);
    select count(*) filter (where w.bucket < from_bucket), count(*) filter (where w.bucket > to_bucket),
      array_agg(w.bucket order by w.bucket), array_agg(w.open order by w.bucket),
      array_agg(w.high order by w.bucket), array_agg(w.low order by w.bucket),
      array_agg(w.close order by w.bucket), array_agg(w.sum order by w.bucket),
      array_agg(w.volume order by w.bucket), array_agg(w.tick_count order by w.bucket),
      array_agg(w.spread order by w.bucket)
    into found_before, found_after, buckets, opens, highs, lows, closes, sums, volumes, tick_counts, spreads
    from (
      select c.*, count(*) filter (where c.bucket < from_bucket) over (order by c.bucket desc) as place_before,
        count(*) filter (where c.bucket > to_bucket) over (order by c.bucket) as place_after
      from feed.read_candles(
        candle_window.timeframe, array[candle_window.instrument_id], array[candle_window.side],
        start_at, end_at + interval '1 microsecond', with_spread => is_with_spread) as c
    ) as w
    where w.place_before <= bars_before and w.place_after <= bars_after;
    exit when (found_before >= bars_before or start_at <= oldest)
      and (found_after >= bars_after or end_at >= newest);
    span := span * 8;
  end loop;
end
$$;

comment on function indicator.candle_window(int, text, text, timestamptz, timestamptz, int, int) is
  'Stored candles of a series as arrays, oldest first: the buckets from from_bucket to to_bucket (UTC, both inclusive), with up to bars_before existing candles before and bars_after after them. Arrays are null when there are none. sums: of the prices, volumes: of the trade sizes, tick_counts: of this side; spreads: the last ask less the last bid, of mid and as long as an indicator of the series is of a kind that declares the column spread, else null in each place.';
grant execute on function indicator.candle_window(int, text, text, timestamptz, timestamptz, int, int) to foresight_indicators, foresight_service;
