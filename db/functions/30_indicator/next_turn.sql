-- Not all in the same moment, or what is computed at once would wait behind them each time. It is called for each candle
-- of a message, which as a function in SQL would begin and end a query each time.
create or replace function indicator.next_turn(pace interval, instrument_id int, timeframe text)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  later interval := pace * ((hashtext(instrument_id || timeframe) & 15) / 16.0);
begin
  return case when pace > interval '0'
    then feed.bucket(pace, statement_timestamp() - later) + pace + later
    else '-infinity' end;
end
$$;

comment on function indicator.next_turn(interval, int, text) is
  'When the indicators of a series that have this pace are next computed while a candle forms (UTC): each series has moments of its own. Pace 0: at once, -infinity.';
