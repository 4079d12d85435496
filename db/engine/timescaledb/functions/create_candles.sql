-- Two relations: the continuous aggregate feed.stored_candles_*, of the ticks or rolled up from what is stored of a finer
-- timeframe, which holds only what is stored; and the view feed.candles_* above it, which puts together what is not from
-- the finer view. TimescaleDB's own real-time aggregates say the same, but a refresh would go through them, stack and
-- all: it makes no watermark a constant, so each that is coarser than a minute was planned over every chunk of ticks.
-- The watermark stands in the view as TimescaleDB writes it in its own: so a SELECT has it as a constant.
-- Created empty: a fill would have to run outside the deploy's transaction (feed.refresh_candles).
create or replace function feed.create_candles(timeframe text, width interval, built_from text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  view_name text := 'candles_' || timeframe;
  stored_name text := 'stored_' || view_name;
  measures text;
  -- A query of the candles of a relation of feed (%I), of the rows that a WHERE (%s, or nothing) leaves.
  aggregate text;
  source_time text := case when built_from is null then 'observed_at' else 'bucket' end;
  watermark text;
begin
  if built_from is null then
    measures := $measures$count(*) as tick_count, sum(size) as volume,
      count(*) filter (where origin = 'reconstructed') as reconstructed_count$measures$ || (
      select string_agg(replace(replace(
        -- first() and last() have no rule for equal times, so the order is one value of (time, seq).
        $measure$,
          public.first(PRICE, feed.tick_position(observed_at, seq)) filter (where PRICE is not null) as SIDE_open,
          max(PRICE) as SIDE_high,
          min(PRICE) as SIDE_low,
          public.last(PRICE, feed.tick_position(observed_at, seq)) filter (where PRICE is not null) as SIDE_close,
          sum(PRICE) as SIDE_sum,
          count(PRICE) as SIDE_count$measure$,
        'PRICE', case s.side when 'mid' then '((bid + ask) / 2)' else s.side end), 'SIDE', s.side), '' order by s.place)
      from unnest(array['bid', 'ask', 'mid', 'last']) with ordinality as s(side, place));
  else
    measures := $measures$sum(tick_count)::bigint as tick_count, sum(volume) as volume,
      sum(reconstructed_count)::bigint as reconstructed_count$measures$ || (
      select string_agg(replace(
        $measure$,
          public.first(SIDE_open, bucket) filter (where SIDE_count > 0) as SIDE_open,
          max(SIDE_high) as SIDE_high,
          min(SIDE_low) as SIDE_low,
          public.last(SIDE_close, bucket) filter (where SIDE_count > 0) as SIDE_close,
          sum(SIDE_sum) as SIDE_sum,
          sum(SIDE_count)::bigint as SIDE_count$measure$,
        'SIDE', s.side), '' order by s.place)
      from unnest(array['bid', 'ask', 'mid', 'last']) with ordinality as s(side, place));
  end if;
  aggregate := format('select instrument_id, public.time_bucket(%L::interval, %I) as bucket, %s from feed.%%I %%s group by 1, 2',
    width, source_time, measures);
  execute format('create materialized view feed.%I with (timescaledb.continuous, timescaledb.materialized_only = true) as ', stored_name)
    || format(aggregate, coalesce('stored_candles_' || built_from, 'ticks'), '') || ' with no data';
  select format('coalesce(_timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(%s)), ''-infinity'')', a.mat_hypertable_id)
  into watermark
  from _timescaledb_catalog.continuous_agg as a
  where a.user_view_schema = 'feed' and a.user_view_name = stored_name;
  execute format('create view feed.%I as select * from feed.%I where bucket < %s union all ', view_name, stored_name, watermark)
    || format(aggregate, coalesce('candles_' || built_from, 'ticks'), format('where %I >= %s', source_time, watermark));
  execute format('comment on view feed.%I is %L', view_name,
    format('Candles of %s: a row per instrument and UTC bucket that has ticks; bucket is the left edge.', width));
  execute format('comment on view feed.%I is %L', stored_name,
    format('What is stored of feed.%1$I, which is to be read (continuous aggregate): feed.refresh_candles refreshes it.', view_name));
end
$$;

comment on function feed.create_candles(text, interval, text) is
  'Make the candles of one timeframe. TimescaleDB: a continuous aggregate of what is stored, empty, and the view above it.';
