create or replace function feed.candles(
  symbol text,
  timeframe text,
  side text default 'mid',
  from_time timestamptz default '-infinity',
  to_time timestamptz default 'infinity'
)
returns table (
  bucket timestamptz, open double precision, high double precision, low double precision,
  close double precision, average double precision, sum double precision,
  volume double precision, tick_count bigint, is_closed boolean
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval := feed.timeframe_width(candles.timeframe);
  instrument feed.instruments;
begin
  perform feed.checked_side(candles.side);
  select i.* into instrument from feed.instruments as i
  where i.instrument_id = feed.instrument_id(candles.symbol);
  return query execute format(
    'select c.bucket, c.%1$s_open, c.%1$s_high, c.%1$s_low, c.%1$s_close, c.%1$s_sum / c.%1$s_count,
       c.%1$s_sum, c.volume, c.%1$s_count,
       c.bucket + %2$L::interval + (select s.grace from feed.sources as s where s.source = %3$L) <= now()
     from feed.%4$I as c
     where c.instrument_id = %5$s and c.bucket >= %6$L and c.bucket < %7$L and c.%1$s_count > 0
     order by c.bucket',
    candles.side, width, instrument.source, 'candles_' || candles.timeframe,
    instrument.instrument_id,
    feed.bucket(width, from_time),
    to_time);
end
$$;

comment on function feed.candles(text, text, text, timestamptz, timestamptz) is
  'Candles of a symbol, oldest first, from the bucket that holds from_time up to buckets that begin before to_time (UTC). side: bid, ask, mid or last. tick_count counts the ticks that have this side; volume is the sum of trade sizes; is_closed: the bucket is over and the source''s grace too. A bucket without a tick has no row. Errors: NOINS, NOTFR, NOSID.';
grant execute on function feed.candles(text, text, text, timestamptz, timestamptz) to foresight_ingest, foresight_publish, foresight_indicators;
