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
  volume double precision, tick_count bigint, is_closed boolean,
  reconstructed_count bigint
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval := feed.timeframe_width(candles.timeframe);
  wanted_id int := feed.instrument_id(candles.symbol);
  grace interval := (
    select s.grace from feed.instruments as i join feed.sources as s using (source) where i.instrument_id = wanted_id
  );
begin
  return query
  select c.bucket, feed.without_noise(c.open, c.side), feed.without_noise(c.high, c.side),
    feed.without_noise(c.low, c.side), feed.without_noise(c.close, c.side),
    feed.without_noise(c.sum / c.tick_count), feed.without_noise(c.sum), feed.without_noise(c.volume), c.tick_count,
    c.bucket + width + grace <= now(),
    c.reconstructed_count
  from feed.read_candles(
    candles.timeframe, array[wanted_id], array[feed.checked_side(candles.side)], feed.bucket(width, from_time), to_time) as c
  order by c.bucket;
end
$$;

comment on function feed.candles(text, text, text, timestamptz, timestamptz) is
  'Candles of a symbol, oldest first, from the bucket that holds from_time up to buckets that begin before to_time (UTC). side: bid, ask, mid or last. tick_count counts the ticks that have this side; volume is the sum of trade sizes; what is computed is told to 15 significant digits; is_closed: the bucket is over and the source''s grace too; reconstructed_count: so many of the bucket''s ticks, of whichever side, are reconstructed from the provider''s candles (feed.ticks.origin). A bucket without a tick has no row. Errors: NOINS, NOTFR, NOSID.';
grant execute on function feed.candles(text, text, text, timestamptz, timestamptz) to foresight_ingest, foresight_publish, foresight_indicators;
