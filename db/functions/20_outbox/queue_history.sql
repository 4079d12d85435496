-- By its key, whatever a plan from when the table was empty believes of its size.
create or replace function outbox.queue_history(
  subscription_id int, instrument_id int, timeframe text, side text,
  from_bucket timestamptz, to_bucket timestamptz, since_revision bigint
)
returns int
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  deltas outbox.delta[];
begin
  select array_agg(row(c.instrument_id, c.timeframe, c.side, c.bucket, c.is_closed, c.revision, clock_timestamp())::outbox.delta)
  into deltas
  from outbox.candles as c
  where c.instrument_id = queue_history.instrument_id and c.timeframe = queue_history.timeframe and c.side = queue_history.side
    and c.bucket >= from_bucket and c.bucket < to_bucket
    and (c.is_of_backfill or c.revision <= since_revision);
  perform outbox.queue_deliveries(deltas, only_subscription => queue_history.subscription_id);
  return coalesce(cardinality(deltas), 0);
end
$$;

comment on function outbox.queue_history(int, int, text, text, timestamptz, timestamptz, bigint) is
  'Queue captured candles of a series with buckets from from_bucket to before to_bucket (UTC) for one subscription, except those that it was told because they were captured after since_revision; returns how many that were.';
