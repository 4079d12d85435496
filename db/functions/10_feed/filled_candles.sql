-- A price that nobody changed is a fact where we listened, and a guess where we did not: the same number,
-- told apart. The forming bucket counts as listened to until a moment ago, as coverage is told in steps.
create or replace function feed.filled_candles(
  symbol text,
  timeframe text,
  side text,
  from_time timestamptz,
  to_time timestamptz default 'infinity'
)
returns table (
  bucket timestamptz, open double precision, high double precision, low double precision,
  close double precision, average double precision, sum double precision,
  volume double precision, tick_count bigint, is_closed boolean, filled text, reconstructed_count bigint
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  width interval := feed.timeframe_width(filled_candles.timeframe);
  instrument feed.instruments;
  grace interval;
  oldest timestamptz;
  first_bucket timestamptz;
  last_bucket timestamptz;
  close_before double precision;
  covered tstzmultirange;
  candle_count bigint;
begin
  perform feed.checked_side(filled_candles.side);
  select i.* into instrument from feed.instruments as i
  where i.instrument_id = feed.instrument_id(filled_candles.symbol);
  grace := (select s.grace from feed.sources as s where s.source = instrument.source);
  oldest := feed.history_start(instrument.instrument_id, filled_candles.timeframe);
  first_bucket := greatest(oldest, feed.bucket(width, from_time));
  last_bucket := feed.bucket(width, least(to_time - interval '1 microsecond', now()));
  if oldest is null or first_bucket > last_bucket then
    return;
  end if;
  candle_count := extract(epoch from last_bucket - first_bucket) / extract(epoch from width) + 1;
  if candle_count > 100000 then
    raise exception 'from % to % are % candles of %, more than 100,000', first_bucket, last_bucket, candle_count, filled_candles.timeframe
      using errcode = 'RANGE', hint = 'Ask for a shorter time, or a longer timeframe.';
  end if;
  close_before := feed.without_noise(
    feed.close_before(instrument.instrument_id, filled_candles.timeframe, filled_candles.side, first_bucket), filled_candles.side);
  select range_agg(tstzrange(c.covered_from, c.covered_to, '[]')) into covered
  from feed.coverage as c
  -- The provider's candles, of 5 seconds, say nothing of shorter ones.
  where c.instrument_id = instrument.instrument_id and (c.grade <> 'candles' or width >= interval '5 seconds') and c.covered_to >= first_bucket and c.covered_from <= last_bucket + width;

  return query
  select f.bucket, coalesce(f.open, f.price), coalesce(f.high, f.price), coalesce(f.low, f.price), f.price,
    coalesce(f.average, f.price), coalesce(f.sum, 0), f.volume, coalesce(f.tick_count, 0),
    f.bucket + width + grace <= now(),
    case
      when f.close is not null then null
      when coalesce(covered, '{}') @> tstzrange(f.bucket, greatest(f.bucket, least(f.bucket + width, now() - interval '15 seconds'))) then 'no_tick'
      else 'gap'
    end,
    coalesce(f.reconstructed_count, 0)
  from (
    select l.*, coalesce(first_value(l.close) over (partition by l.place order by l.bucket), close_before) as price
    from (
      select s.bucket, c.open, c.high, c.low, c.close, c.average, c.sum, c.volume, c.tick_count, c.reconstructed_count,
        count(c.close) over (order by s.bucket) as place
      from generate_series(first_bucket, last_bucket, width) as s(bucket)
      left join feed.candles(
        filled_candles.symbol, filled_candles.timeframe, filled_candles.side, first_bucket, last_bucket + width) as c
        on c.bucket = s.bucket
    ) as l
  ) as f
  where f.price is not null
  order by f.bucket;
end
$$;

comment on function feed.filled_candles(text, text, text, timestamptz, timestamptz) is
  'feed.candles with a row for every bucket (UTC) from the one that holds from_time, or the first there is, up to those that begin before to_time. filled is null for a candle of ticks. A bucket without a tick has the last close as its prices, tick_count 0, and filled says why: no_tick: the time is covered (feed.coverage) and no price came; gap: it is not, so ticks may be missing; below 5s a time that is covered by candles alone is none. Errors: NOINS, NOTFR, NOSID, RANGE more than 100,000 candles.';
grant execute on function feed.filled_candles(text, text, text, timestamptz, timestamptz) to foresight_ingest, foresight_publish, foresight_indicators;
