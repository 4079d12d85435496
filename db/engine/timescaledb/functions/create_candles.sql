-- Make the continuous aggregate of one timeframe: from the ticks, or rolled up from a finer one.
-- Created empty: a fill would have to run outside the deploy's transaction (feed.refresh_candles).
create or replace function feed.create_candles(timeframe text, width interval, built_from text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  side text;
  measures text := '';
begin
  if built_from is null then
    foreach side in array array['bid', 'ask', 'mid', 'last'] loop
      measures := measures || replace(replace(
        -- first() and last() have no rule for equal times, so the order is one value of (time, seq).
        $measure$,
          public.first(PRICE, feed.tick_position(observed_at, seq)) filter (where PRICE is not null) as SIDE_open,
          max(PRICE) as SIDE_high,
          min(PRICE) as SIDE_low,
          public.last(PRICE, feed.tick_position(observed_at, seq)) filter (where PRICE is not null) as SIDE_close,
          sum(PRICE) as SIDE_sum,
          count(PRICE) as SIDE_count$measure$,
        'PRICE', case side when 'mid' then '((bid + ask) / 2)' else side end), 'SIDE', side);
    end loop;
    execute format(
      'create materialized view feed.%I with (timescaledb.continuous, timescaledb.materialized_only = false) as
       select instrument_id, public.time_bucket(%L::interval, observed_at) as bucket,
         count(*) as tick_count, sum(size) as volume,
         count(*) filter (where origin = %L) as reconstructed_count %s
       from feed.ticks group by 1, 2 with no data',
      'candles_' || timeframe, width, 'reconstructed', measures);
  else
    foreach side in array array['bid', 'ask', 'mid', 'last'] loop
      measures := measures || replace(
        $measure$,
          public.first(SIDE_open, bucket) filter (where SIDE_count > 0) as SIDE_open,
          max(SIDE_high) as SIDE_high,
          min(SIDE_low) as SIDE_low,
          public.last(SIDE_close, bucket) filter (where SIDE_count > 0) as SIDE_close,
          sum(SIDE_sum) as SIDE_sum,
          sum(SIDE_count)::bigint as SIDE_count$measure$,
        'SIDE', side);
    end loop;
    execute format(
      'create materialized view feed.%I with (timescaledb.continuous, timescaledb.materialized_only = false) as
       select instrument_id, public.time_bucket(%L::interval, bucket) as bucket,
         sum(tick_count)::bigint as tick_count, sum(volume) as volume,
         sum(reconstructed_count)::bigint as reconstructed_count %s
       from feed.%I group by 1, 2 with no data',
      'candles_' || timeframe, width, measures, 'candles_' || built_from);
  end if;
  execute format('comment on view feed.%I is %L', 'candles_' || timeframe,
    format('Candles of %s (continuous aggregate): a row per instrument and UTC bucket that has ticks; bucket is the left edge.', width));
end
$$;

comment on function feed.create_candles(text, interval, text) is
  'Make the candles of one timeframe. TimescaleDB: a continuous aggregate with real-time aggregation, empty.';
