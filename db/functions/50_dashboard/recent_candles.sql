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
begin
  if recent_candles.side not in ('bid', 'ask', 'mid', 'last') then
    raise exception 'there is no side %', quote_literal(left(recent_candles.side, 80)) using errcode = 'NOSID';
  end if;
  return query execute format(
    'select jsonb_build_object(
       ''time'', extract(epoch from c.bucket)::bigint, ''bucket'', c.bucket,
       ''open'', c.%1$s_open, ''high'', c.%1$s_high, ''low'', c.%1$s_low, ''close'', c.%1$s_close,
       ''average'', c.%1$s_sum / c.%1$s_count, ''sum'', c.%1$s_sum, ''volume'', c.volume,
       ''tick_count'', c.%1$s_count, ''is_closed'', c.bucket + %2$L::interval + %8$L::interval <= now(),
       ''revision'', (select o.revision from outbox.candles as o where o.instrument_id = %4$s
         and o.timeframe = %9$L and o.side = %10$L and o.bucket = c.bucket))
     from feed.%3$I as c
     where c.instrument_id = %4$s and c.bucket >= %5$L and c.bucket <= %6$L and c.%1$s_count > 0
     order by c.bucket desc limit %7$s',
    recent_candles.side, width, 'candles_' || recent_candles.timeframe, recent_candles.instrument_id,
    feed.bucket(width, from_time), to_time, greatest(least(max_candles, 5000), 0),
    (select s.grace from feed.instruments as i join feed.sources as s using (source)
     where i.instrument_id = recent_candles.instrument_id),
    recent_candles.timeframe, recent_candles.side);
end
$$;

comment on function dashboard.recent_candles(int, text, text, timestamptz, timestamptz, int) is
  'Candles of a series as JSON, newest first: at most max_candles of those with buckets from from_time to to_time (UTC). Errors: NOTFR, NOSID.';
