create or replace function indicator.claim_backfill(service text, max_candles int default 1000)
returns table (
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz, revision bigint,
  closed_to timestamptz, work_id bigint, indicators jsonb,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[],
  spreads double precision[]
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  job indicator.backfills;
  definition indicator.definitions;
  width interval;
  first_bucket timestamptz;
  last_closed timestamptz;
  is_closed_only boolean;
  buckets_read int := max_candles;
  last_bucket timestamptz;
  read record;
begin
  loop
    select b.* into job
    from indicator.backfills as b
    where b.service = claim_backfill.service and b.leased_until < clock_timestamp()
    order by b.is_newest_due desc, b.progressed_at, b.indicator_id
    limit 1
    for update skip locked;
    if job.indicator_id is null then
      return;
    end if;
    select d.* into definition from indicator.definitions as d where d.indicator_id = job.indicator_id;
    width := feed.timeframe_width(definition.timeframe);
    -- The first candle that is due: a gap in the history is jumped over.
    first_bucket := feed.next_bucket(
      definition.instrument_id, definition.timeframe,
      greatest(job.next_bucket, indicator.values_from(definition.timeframe)));
    select clock_timestamp() - width - s.grace into last_closed
    from feed.instruments as i join feed.sources as s using (source) where i.instrument_id = definition.instrument_id;
    select k.closed_only into is_closed_only from indicator.kinds as k where k.kind = definition.kind;
    exit when first_bucket is not null and (first_bucket <= last_closed or not is_closed_only);
    delete from indicator.backfills as b where b.indicator_id = job.indicator_id;
  end loop;

  if job.is_newest_due then
    -- Nothing is leased, as nothing is left to finish: the history comes by it again.
    update indicator.backfills as b set is_newest_due = false where b.indicator_id = job.indicator_id;
    job.work_id := nextval('indicator.work_id');
    select w.* into read
    from indicator.candle_window(definition.instrument_id, definition.timeframe, definition.side,
      feed.bucket(width, last_closed), feed.bucket(width, last_closed), definition.bars_window, 0) as w;
    first_bucket := coalesce(read.buckets[cardinality(read.buckets)], first_bucket);
    last_bucket := first_bucket;
  else
    update indicator.backfills as b
    set next_bucket = first_bucket, leased_until = clock_timestamp() + interval '10 seconds'
    where b.indicator_id = job.indicator_id;
  end if;

  -- Where candles are few and far between, more of the time, until there are enough to be worth a stretch.
  while not job.is_newest_due loop
    last_bucket := first_bucket + width * (buckets_read - 1);
    select w.* into read
    from indicator.candle_window(definition.instrument_id, definition.timeframe, definition.side,
      first_bucket, last_bucket, definition.bars_window - 1, 0) as w;
    exit when last_bucket > clock_timestamp() or buckets_read >= 16 * max_candles
      or 2 * (select count(*) from unnest(read.buckets) as b(bucket) where b.bucket >= first_bucket) >= max_candles;
    buckets_read := 4 * buckets_read;
  end loop;
  return query
  select definition.instrument_id, definition.timeframe, definition.side, first_bucket, last_bucket, job.revision, last_closed, job.work_id,
    jsonb_build_array(jsonb_build_object('indicator_id', definition.indicator_id, 'kind', definition.kind,
      'params', definition.params, 'bars_required', definition.bars_required, 'bars_window', definition.bars_window)),
    read.buckets, read.opens, read.highs, read.lows, read.closes, read.sums, read.volumes, read.tick_counts,
    read.spreads;
end
$$;

comment on function indicator.claim_backfill(text, int) is
  'Lease the next stretch of history of a service for 10 seconds, of the indicator that waited longest, or before that the newest closed candle of one that nobody will be told of: the indicator, and its candles of max_candles buckets, of up to 16 times as many where most are empty, as indicator.candle_window gives them. Values are due from from_bucket to to_bucket (UTC, both inclusive), of kinds that read closed candles only up to closed_to; then call indicator.finish_backfill. No row when nothing is left, or all is leased.';
grant execute on function indicator.claim_backfill(text, int) to foresight_indicators, foresight_service;
