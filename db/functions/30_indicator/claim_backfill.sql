create or replace function indicator.claim_backfill(max_candles int default 1000)
returns table (
  instrument_id int, timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz, revision bigint,
  indicators jsonb,
  buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], sums double precision[], volumes double precision[], tick_counts bigint[]
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
begin
  -- Another worker may take the same one: both would store the same values.
  select b.* into job from indicator.backfills as b order by b.requested_at, b.indicator_id limit 1;
  if job.indicator_id is null then
    return;
  end if;
  select d.* into definition from indicator.definitions as d where d.indicator_id = job.indicator_id;
  width := feed.timeframe_width(definition.timeframe);

  -- The first candle that is due: a gap in the history is jumped over.
  first_bucket := feed.next_bucket(definition.instrument_id, definition.timeframe, job.next_bucket);
  if first_bucket is null then
    delete from indicator.backfills as b
    where b.indicator_id = job.indicator_id and b.next_bucket = job.next_bucket and b.revision = job.revision;
    -- The next in line has its time from now on.
    update indicator.backfills as b set progressed_at = clock_timestamp()
    where b.indicator_id = (
      select n.indicator_id from indicator.backfills as n order by n.requested_at, n.indicator_id limit 1
    );
    return query select definition.instrument_id, definition.timeframe, definition.side, job.next_bucket, job.next_bucket,
      job.revision, '[]'::jsonb, null::timestamptz[], null::double precision[], null::double precision[], null::double precision[],
      null::double precision[], null::double precision[], null::double precision[], null::bigint[];
    return;
  end if;

  -- Says which stretch is in work: a repeated request meanwhile sets it back, and it begins again.
  update indicator.backfills as b set next_bucket = first_bucket
  where b.indicator_id = job.indicator_id and b.next_bucket = job.next_bucket and b.revision = job.revision;

  return query
  select definition.instrument_id, definition.timeframe, definition.side,
    first_bucket, first_bucket + width * (max_candles - 1), job.revision,
    jsonb_build_array(jsonb_build_object('indicator_id', definition.indicator_id, 'kind', definition.kind,
      'params', definition.params, 'bars_required', definition.bars_required)),
    w.buckets, w.opens, w.highs, w.lows, w.closes, w.sums, w.volumes, w.tick_counts
  from indicator.candle_window(
    definition.instrument_id, definition.timeframe, definition.side,
    first_bucket, first_bucket + width * (max_candles - 1), definition.bars_required - 1, 0
  ) as w;
end
$$;

comment on function indicator.claim_backfill(int) is
  'The next stretch of history that an indicator has to be computed for, as indicator.claim_pending gives it; no row when nothing is left.';
grant execute on function indicator.claim_backfill(int) to foresight_indicators;
