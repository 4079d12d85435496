-- Not all in the same moment, or what is computed at once would wait behind them each time.
create or replace function indicator.next_turn(pace interval, instrument_id int, timeframe text)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case when pace > interval '0'
    then feed.bucket(pace, statement_timestamp() - t.later) + pace + t.later
    else '-infinity' end
  from (select nullif(pace, '0') * ((hashtext(instrument_id || timeframe) & 15) / 16.0) as later) as t
$$;

comment on function indicator.next_turn(interval, int, text) is
  'When the indicators of a series that have this pace are next computed while a candle forms (UTC): each series has moments of its own. Pace 0: at once, -infinity.';
