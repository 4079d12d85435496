-- A continuous aggregate must be read with bounds in time: the past is looked through in ever longer pieces.
create or replace function feed.close_before(instrument_id int, timeframe text, side text, before_bucket timestamptz)
returns double precision
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  oldest timestamptz := feed.history_start(close_before.instrument_id, close_before.timeframe);
  span interval := feed.timeframe_width(close_before.timeframe) * 1000;
  end_at timestamptz := before_bucket;
  found_close double precision;
begin
  while end_at > oldest loop
    select c.close into found_close
    from feed.read_candles(
      close_before.timeframe, array[close_before.instrument_id], array[close_before.side], greatest(end_at - span, oldest), end_at,
      max_candles => 1, newest_first => true) as c;
    if found then
      return found_close;
    end if;
    end_at := end_at - span;
    span := span * 8;
  end loop;
  return null;
end
$$;

comment on function feed.close_before(int, text, text, timestamptz) is
  'The close of the newest candle of a series whose bucket begins before a time (UTC); null when there is none. Errors: NOTFR, NOSID.';
