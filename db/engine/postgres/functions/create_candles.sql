-- Make the table of one timeframe's candles; feed.roll_up keeps it.
create or replace function feed.create_candles(timeframe text, width interval, built_from text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  side text;
  measures text := '';
begin
  foreach side in array array['bid', 'ask', 'mid', 'last'] loop
    measures := measures || replace(
      ', SIDE_open double precision, SIDE_high double precision, SIDE_low double precision,
         SIDE_close double precision, SIDE_sum double precision, SIDE_count bigint not null',
      'SIDE', side);
  end loop;
  execute format(
    'create table feed.%I (
       instrument_id int not null, bucket timestamptz not null,
       tick_count bigint not null, volume double precision %s,
       primary key (instrument_id, bucket)
     ) with (fillfactor = 70)',
    'candles_' || timeframe, measures);
  execute format('comment on table feed.%I is %L', 'candles_' || timeframe,
    format('Candles of %s (kept by feed.roll_up): a row an instrument and UTC bucket that has ticks; bucket is the left edge.', width));
end
$$;

comment on function feed.create_candles(text, interval, text) is
  'Make the candles of one timeframe. Plain PostgreSQL: a table that feed.roll_up keeps.';
