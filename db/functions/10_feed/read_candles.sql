-- The only read of candles by a name that is put together. A continuous aggregate must be read with constants
-- as bounds of time, with values of a join it would aggregate all history: so this writes a statement of its
-- own. It begins when it is called, and sees all that is committed by then.
create or replace function feed.read_candles(
  timeframe text, instrument_ids int[], sides text[], from_time timestamptz, to_time timestamptz,
  max_candles int default null, newest_first boolean default false, with_spread boolean default false
)
returns table (
  instrument_id int, side text, bucket timestamptz, open double precision, high double precision, low double precision,
  close double precision, sum double precision, volume double precision, tick_count bigint, spread double precision,
  reconstructed_count bigint
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
  side_rows text := feed.side_rows(sides, with_spread);
begin
  perform feed.timeframe_width(read_candles.timeframe);
  if side_rows is null then
    return;
  end if;
  return query execute format(
    $statement$
    select c.instrument_id, s.side, c.bucket, s.open, s.high, s.low, s.close, s.sum, c.volume, s.tick_count, s.spread,
      c.reconstructed_count
    from feed.%1$I as c
    cross join lateral %2$s
    where c.instrument_id = any (%3$L::int[]) and c.bucket >= %4$L and c.bucket < %5$L and s.tick_count > 0
    %6$s
    $statement$,
    'candles_' || read_candles.timeframe, side_rows, instrument_ids, from_time, to_time,
    case when max_candles is not null
      then format('order by c.bucket %s limit %s', case when newest_first then 'desc' else 'asc' end, greatest(max_candles, 0)) end);
end
$$;

comment on function feed.read_candles(text, int[], text[], timestamptz, timestamptz, int, boolean, boolean) is
  'Stored candles of instruments and sides whose buckets begin in [from_time, to_time) (UTC), each where it has ticks of its side; in no order, or with max_candles the oldest or newest of them, in that order. tick_count counts the ticks of the side; volume is the sum of trade sizes; spread, with_spread and of mid alone, is the last ask less the last bid of the bucket; reconstructed_count: so many of the bucket''s ticks, of whichever side, are reconstructed from the provider''s candles. Errors: NOTFR, NOSID.';
