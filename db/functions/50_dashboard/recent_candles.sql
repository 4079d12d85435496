create or replace function dashboard.recent_candles(
  instrument_id int, timeframe text, side text, from_time timestamptz, to_time timestamptz, max_candles int
)
returns setof jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  width interval := feed.timeframe_width(recent_candles.timeframe);
  grace interval := (
    select s.grace from feed.instruments as i join feed.sources as s using (source)
    where i.instrument_id = recent_candles.instrument_id
  );
begin
  return query
  select jsonb_build_object(
    'time', extract(epoch from c.bucket)::bigint, 'bucket', c.bucket,
    'open', feed.without_noise(c.open, c.side), 'high', feed.without_noise(c.high, c.side),
    'low', feed.without_noise(c.low, c.side), 'close', feed.without_noise(c.close, c.side),
    'average', feed.without_noise(c.sum / c.tick_count), 'sum', feed.without_noise(c.sum), 'volume', feed.without_noise(c.volume),
    'tick_count', c.tick_count, 'reconstructed_count', c.reconstructed_count, 'is_closed', c.bucket + width + grace <= now(),
    'revision', (
      select o.revision from outbox.candles as o
      where o.instrument_id = c.instrument_id and o.timeframe = recent_candles.timeframe and o.side = c.side
        and o.bucket = c.bucket))
  from feed.read_candles(
    recent_candles.timeframe, array[recent_candles.instrument_id], array[recent_candles.side],
    feed.bucket(width, from_time), to_time + interval '1 microsecond',
    max_candles => least(recent_candles.max_candles, 5000), newest_first => true) as c
  order by c.bucket desc;
end
$$;

comment on function dashboard.recent_candles(int, text, text, timestamptz, timestamptz, int) is
  'Candles of a series as JSON, newest first: at most max_candles of those with buckets from from_time to to_time (UTC). Errors: NOTFR, NOSID.';
