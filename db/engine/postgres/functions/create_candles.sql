-- Make the table of one timeframe's candles, filled from the finer ones; feed.roll_up keeps it. Writers
-- of ticks wait until this is committed: from then on they find a feed.roll_up that knows it.
create or replace function feed.create_candles(timeframe text, width interval, built_from text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  side text;
  definitions text := '';
  candle record;
begin
  foreach side in array array['bid', 'ask', 'mid', 'last'] loop
    definitions := definitions || replace(
      ', SIDE_open double precision, SIDE_high double precision, SIDE_low double precision,
         SIDE_close double precision, SIDE_sum double precision, SIDE_count bigint not null',
      'SIDE', side);
  end loop;
  execute format(
    'create table feed.%I (
       instrument_id int not null, bucket timestamptz not null,
       tick_count bigint not null, volume double precision, reconstructed_count bigint not null %s,
       primary key (instrument_id, bucket)
     ) with (fillfactor = 70)',
    'candles_' || timeframe, definitions);
  if built_from is not null then
    lock table feed.ticks in share row exclusive mode;
    select * into candle from feed.candle_measures(built_from);
    execute format(
      'insert into feed.%I (instrument_id, bucket, %s)
       select s.instrument_id, feed.bucket(%L, s.bucket), %s from feed.%I as s group by 1, 2',
      'candles_' || timeframe, candle.columns, width, candle.measures, 'candles_' || built_from);
  end if;
  execute format('comment on table feed.%I is %L', 'candles_' || timeframe,
    format('Candles of %s (kept by feed.roll_up): a row per instrument and UTC bucket that has ticks; bucket is the left edge.', width));
end
$$;

comment on function feed.create_candles(text, interval, text) is
  'Make the candles of one timeframe. Plain PostgreSQL: a table that feed.roll_up keeps, filled from the finer candles.';
